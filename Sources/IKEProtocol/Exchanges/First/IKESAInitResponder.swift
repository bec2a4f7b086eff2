internal import IKEMessages
internal import IPsecPrimitives

/// IKE_SA_INIT, the responder's side, where it differs from IKE_SESSION_RESUME (RFC 7296 §1.2).
extension IKEEngine {
    func receiveInitRequest(_ request: FirstRequest, at now: Instant) {
        let (content, datagram, header) = (request.content, request.datagram, request.header)
        guard let offer = content.securityAssociation, let theirs = content.keyExchange else {
            return dropIncomplete(datagram, header, at: now)
        }
        let ranks = ConnectionChoice.ranks(connections, along: IKEPath(datagram), whereabouts)
        let candidates = ranks.flatMap(\.self)
        guard !candidates.isEmpty else {
            counters.drop(.noConnection)
            refuseFirstRequest(ConnectionChoice.noneMeets(datagram, connections), datagram, at: now)
            return answerUnprotected(datagram, header, NotifyPayload(.noProposalChosen), now)
        }
        // Whether the initiator can do IKE_INTERMEDIATE.
        let takesAdditional = content.notify(.intermediateExchangeSupported) != nil
        let acceptance = ConnectionChoice.acceptance(
            ranks,
            of: offer.proposals,
            guessedMethod: theirs.method,
            takesAdditional: takesAdditional
        )
        if let acceptance {
            let connection = acceptance.connection
            // Whoever may mean another one says first who it is, and is sent away then, if at all.
            let isCertain = ConnectionChoice.redirectsAlike(
                candidates,
                as: connection,
                of: offer.proposals,
                takesAdditional: takesAdditional
            )
            if isCertain, redirects(request, connection, at: now) { return }
            let suite = acceptance.suite
            guard suite.keyExchange == theirs.method else {
                // RFC 7296 §1.2: the initiator guessed another method; it has to begin anew. Outside
                // the limit of answers, as a COOKIE is: a flood of rubbish must not keep those out
                // who guess wrong, and the answer is smaller than the request.
                return sendClear(
                    datagram,
                    header,
                    [.notify(.invalidKE(wanted: suite.keyExchange))]
                )
            }
            return open(
                request,
                for: connection,
                .exchanged(acceptance.choice, suite, theirs: theirs),
                at: now
            )
        }
        let failure = ProposalMismatch.explain(
            offered: offer.proposals,
            accepted: candidates.flatMap(\.proposals),
            for: .ikeSA,
            takesAdditional: takesAdditional
        )
        let meant = ConnectionChoice.meant(
            of: connections,
            along: IKEPath(datagram),
            whereabouts
        )
        refuseFirstRequest(failure, datagram, connection: meant?.name, at: now)
        answerUnprotected(datagram, header, NotifyPayload(.noProposalChosen), now)
    }
}
