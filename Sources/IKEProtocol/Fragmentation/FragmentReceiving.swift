internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// A message that proved authentic, before its payloads are read, and what its form tells.
struct ReceivedMessage {
    let opened: OpenedMessage
    /// The datagram, or that of the first fragment: what a repetition will be known by.
    let identity: [UInt8]
    /// Octets of the largest fragment's IKE message; nil for a message that came whole.
    let largestFragment: Int?
}

/// Messages that come in fragments (RFC 7383 §2.6).
extension IKEEngine {
    /// The most that somebody who has proven nothing may make us hold of one message.
    private static let maximumUnprovenContent = 16_384

    /// Takes in one fragment; the whole message when it was the last.
    ///
    /// - Throws: an authentic message that is none.
    func receiveFragment(
        _ fragment: EncryptedFragmentPayload,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        _ keys: SAKeys,
        at now: Instant
    ) throws(OpeningFailure<CryptoError>) -> ReceivedMessage? {
        // RFC 7383 §2.4: never "unless both peers have indicated their support for it".
        guard sa.agreed.contains(.fragmentation) else {
            counters.drop(.unexpectedFragment)
            return nil
        }
        let known = sa.reassembly(of: header)
        let reassembly =
            known
            ?? Reassembly(
                header,
                limits: limits(of: sa),
                budget: reassemblyBudget,
                at: now
            )
        switch reassembly.judge(fragment) {
        case .wanted: break
        case .repeated:
            counters.drop(.repeatedFragment)
            return nil
        case .excessive:
            counters.drop(.oversized)
            return nil
        }
        let chunk = try keys.openChunk(fragment)
        // Those who have proven nothing must leave room for those who have.
        let limit = settings.reassemblyOctetLimit / (sa.established == nil ? 2 : 1)
        guard reassemblyBudget.used + chunk.count <= limit else {
            counters.drop(.reassemblyLimit)
            return nil
        }
        let opened: OpenedMessage?
        do {
            opened = try reassembly.add(fragment, holding: chunk, of: datagram.bytes)
        } catch {
            sa.reassemblies.removeAll { $0 === reassembly }
            counters.drop(.oversized)
            return nil
        }
        guard let opened else {
            if known == nil {
                sa.reassemblies.append(reassembly)
                if sa.timers[.reassembly] == nil {
                    arm(.reassembly, of: sa, at: now + settings.reassemblyTimeout)
                }
            }
            return nil
        }
        sa.reassemblies.removeAll { $0 === reassembly }
        return ReceivedMessage(
            opened: opened,
            identity: reassembly.first,
            largestFragment: reassembly.largest
        )
    }

    private func limits(of sa: IKESA) -> MessageLimits {
        var limits = MessageLimits.standard
        if sa.established == nil { limits.messageOctets = IKEEngine.maximumUnprovenContent }
        return limits
    }

    /// RFC 7383 §2.6: what is not complete after a while is forgotten.
    func expireReassemblies(of sa: IKESA, at now: Instant) {
        sa.reassemblies.removeAll { $0.startedAt + settings.reassemblyTimeout <= now }
        guard let oldest = sa.reassemblies.map(\.startedAt).min() else { return }
        arm(.reassembly, of: sa, at: oldest + settings.reassemblyTimeout)
    }

    /// RFC 7383 §2.6.1: a fragment of a request that is answered brings the answer again if it is
    /// the first, also one of another size, which must prove authentic for that; others are
    /// ignored.
    func receiveLateFragment(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        at now: Instant
    ) {
        guard sa.agreed.contains(.fragmentation), sa.responses.hasAnswer(to: header.messageID),
            let message = try? IKEMessage(reading: datagram.bytes),
            case .fragment(let fragment) = message.protection
        else { return counters.drop(.unexpectedMessageID) }
        guard fragment.number == 1 else { return counters.drop(.repeatedFragment) }
        // The answer to IKE_INTERMEDIATE may have changed the keys.
        let isAuthentic = [sa.keys, sa.formerKeys].contains { keys in
            keys.map { (try? $0.openChunk(fragment)) != nil } ?? false
        }
        guard isAuthentic else { return counters.drop(.unauthentic) }
        answerAgain(header.messageID, datagram, of: sa)
    }

    /// Gives an answer once more. RFC 7383 §2.4: "receiving repeated retransmissions of the
    /// request" is a sign that the answer is too large for the path.
    func answerAgain(_ messageID: UInt32, _ datagram: IKEDatagram, of sa: IKESA) {
        guard let answer = sa.responses.repeatAnswer(to: messageID) else { return }
        counters.answeredAgain += 1
        var message = answer.message
        if answer.repetitions >= IKEEngine.sendingsOfASize, datagram.transport == .udp,
            let smaller = cutSmaller(message, of: sa)
        {
            sa.responses.replaceAnswer(to: messageID, with: smaller)
            message = smaller
        }
        send(message, along: IKEPath(datagram))
    }

    /// How often one size is tried before a smaller one.
    static let sendingsOfASize = 2
}

extension IKESA {
    fileprivate func reassembly(of header: MessageHeader) -> Reassembly? {
        reassemblies.first {
            $0.messageID == header.messageID && $0.isResponse == header.isResponse
        }
    }

    /// The keys before the last IKE_INTERMEDIATE, while the SA is being set up.
    var formerKeys: SAKeys? {
        if case .halfOpen(let state) = state { state.formerKeys } else { nil }
    }
}
