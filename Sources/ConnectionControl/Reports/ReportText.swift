package import IKEProtocol
internal import IPsecPrimitives

extension IKEReport {
    /// One line for the log or for a user who waits.
    package var summary: String {
        let subject = [connection, child].compactMap(\.self).joined(separator: "/")
        let peer = remote.map { " (peer \($0))" } ?? ""
        return (subject.isEmpty ? "" : subject + ": ") + text + peer
    }

    private var text: String {
        switch event {
        case .ikeSAEstablished(let sa):
            "IKE SA \(sa.isResumed ? "resumed with a ticket" : "established"), \(sa.line)"
        case .notResumed(let why): "not resumed, beginning from scratch: \(why)"
        case .ikeSARekeyed(let sa, _): "IKE SA rekeyed, \(sa.line)"
        case .ikeSAClosed(let reason): "IKE SA closed: \(reason.text)"
        case .childSAEstablished(let child): "Child SA established, \(child.line)"
        case .childSARekeyed(let child, let replaced):
            "Child SA \(replaced) rekeyed, now \(child.line)"
        case .childSANarrowed(let child, let isMorePossible):
            "the peer agrees to \(child.traffic) only"
                + (isMorePossible ? ", and to more in Child SAs of their own" : "")
        case .configurationReceived(let addresses, let settings):
            "the peer gives us \(addresses.map(\.description).joined(separator: ", ")) inside"
                + settings.text
        case .addressesAssigned(let addresses):
            "the peer has \(addresses.map(\.description).joined(separator: ", ")) inside"
        case .resourcesExhausted: "the peer wants no more Child SAs of the same traffic"
        case .childSAClosed(let spi, let reason): "Child SA \(spi) closed: \(reason.text)"
        case .initiationFailed(let failure): "failed: \(failure.text)"
        case .refused(let failure): "peer refused: \(failure.text)"
        case .retransmitting(let exchange, let attempt, let limit):
            "no answer to \(exchange) yet, sending it again (\(attempt) of \(limit))"
        case .peerUnresponsive: "the peer does not answer"
        case .cookieDemandedByPeer: "the peer asks for a cookie and gets it"
        case .puzzleDemandedByPeer(let difficulty):
            "the peer asks for a puzzle of \(difficulty) bits to be solved, working on it"
        case .puzzleDeclined(let why): why.text
        case .cookieDemanded(let halfOpen):
            "\(halfOpen) half-open IKE SAs: cookies are demanded now"
        case .otherMethodDemanded(let wanted): "the peer wants key exchange \(wanted), trying it"
        case .networkAddressTranslation(let local, let remote): natText(local, remote)
        case .encapsulationDiffers(let why): why.text
        case .redirected(let target): "the peer sends us to \(target), going there"
        case .redirecting(let target): "sending the peer to \(target)"
        case .movedTo(let local, let remote): "this end moved: now \(local) to \(remote)"
        case .probingPaths(let count): "the peer is silent, trying \(count) other paths to it"
        case .addressesRefused(let why): why.text
        case .streamLost: "the TCP connection is lost, opening another"
        case .streamReopened: "goes on by another TCP connection"
        case .udpStillBlocked: "tried UDP again: it does not get through, staying with TCP"
        case .peerMoved(let from, let to): "peer moved from \(from) to \(to)"
        case .unknownSPI(let spi):
            "packets come by SPI \(spi), which this end does not have; the peer is told"
        case .childSAUnknownToPeer(let spi):
            "the peer does not have the SA with SPI \(spi) by which this end sends, making another"
        case .errorFromPeer(let notify): "the peer reports \(notify)"
        }
    }

    private func natText(_ local: Bool, _ remote: Bool) -> String {
        switch (local, remote) {
        case (true, true): "both ends are behind NATs"
        case (true, false): "this end is behind a NAT"
        case (false, true): "the peer is behind a NAT, or asks for UDP by saying so"
        case (false, false): "no NAT between the ends"
        }
    }
}

extension InternalSettings {
    fileprivate var text: String {
        let lists = [
            ("name servers", nameServers.map(\.description)), ("domains", domains),
            ("networks", networks.map(\.description)), ("and", others),
        ]
        return lists.filter { !$0.1.isEmpty }
            .map { "; \($0.0) \($0.1.joined(separator: " "))" }.joined()
    }
}

extension IKEReport.IKESADescription {
    fileprivate var line: String {
        "\(localIdentity) … \(remoteIdentity), \(suite), SPIs \(initiatorSPI) and \(responderSPI)"
            + (isInitiator ? ", begun by this end" : ", begun by the peer")
    }
}

extension IKEReport.ChildSADescription {
    fileprivate var line: String {
        let carrier = isStreamed ? " in TCP" : isEncapsulated ? " in UDP" : ""
        let name = (isAuthenticationOnly ? "AH" : "ESP") + carrier
        return "\(traffic), \(suite), SPIs \(inboundSPI) in and \(outboundSPI) out, "
            + ([name] + traits).joined(separator: ", ")
    }

    fileprivate var traffic: String {
        let local = localSelectors.map(\.description).joined(separator: ", ")
        let remote = remoteSelectors.map(\.description).joined(separator: ", ")
        return "\(local) ↔ \(remote)"
    }
}

extension IKEReport.ClosureReason {
    var text: String {
        switch self {
        case .requested: "as asked"
        case .deletedByPeer: "the peer deleted it"
        case .peerUnresponsive: "the peer does not answer"
        case .superseded: "a newer one took its place"
        case .expired: "its lifetime is over"
        case .replaced: "it was rekeyed"
        case .redirected(let target): "redirected to \(target)"
        case .addressLost: "the address that it was bound to is gone"
        case .peerRestarted: "the peer has restarted and lost its state"
        case .unconfigured: "the configuration no longer has it"
        case .failed(let why): why
        }
    }
}

extension NegotiationFailure {
    /// Everything that is known, in one line.
    package var text: String {
        var parts = [explanation]
        if !offered.isEmpty { parts.append("offered: \(offered.joined(separator: ", "))") }
        if !accepted.isEmpty { parts.append("accepted: \(accepted.joined(separator: ", "))") }
        if let nearest { parts.append("nearest: \(nearest)") }
        if let source { parts.append("see \(source)") }
        parts.append("to mend it: \(remedy)")
        return parts.joined(separator: "; ")
    }
}
