internal import IKEMessages
internal import IPsecPrimitives

/// The notifications of IKE_SA_INIT that tell what an end can do.
extension IKEEngine {
    /// Of our request.
    func supportNotifies(_ connection: IKEConnection) -> [Payload] {
        var notifies: [Payload] = []
        notifies.reserveCapacity(InitNotifies.most)
        func tell(_ type: NotifyType) { notifies.append(.notify(NotifyPayload(type))) }
        if connection.fragmentSize != nil { tell(.fragmentationSupported) }
        // RFC 9370 §2.2.1: with any additional key exchange the initiator "MUST also negotiate the
        // use of the IKE_INTERMEDIATE exchange".
        if connection.offersAdditionalKeyExchanges { tell(.intermediateExchangeSupported) }
        if connection.signsFullTranscript { tell(.ikeSAInitFullTranscriptAuth) }
        if connection.ppk != nil { tell(.usePPK) }
        notifies.append(SignatureHashes.notify)
        return notifies
    }

    /// Of our answer to a request that holds `content`, and what is agreed by it.
    func agree(
        on content: MessageContent,
        _ connection: IKEConnection
    ) -> (agreed: AgreedExtensions, notifies: [Payload]) {
        let agreed = agreed(in: content, connection)
        var notifies: [Payload] = []
        notifies.reserveCapacity(InitNotifies.most)
        func tell(_ type: NotifyType) { notifies.append(.notify(NotifyPayload(type))) }
        if agreed.contains(.fragmentation) { tell(.fragmentationSupported) }
        if agreed.contains(.intermediate) { tell(.intermediateExchangeSupported) }
        // "regardless of whether it was received in the request or not": a request from which it
        // was taken is found out because of that.
        if connection.signsFullTranscript { tell(.ikeSAInitFullTranscriptAuth) }
        if agreed.contains(.ppk) { tell(.usePPK) }
        // RFC 6023 §3: the responder tells it, and nobody asks.
        if connection.childless != .never { tell(.childlessIKEv2Supported) }
        if content.notify(.signatureHashAlgorithms) != nil {
            notifies.append(SignatureHashes.notify)
        }
        return (agreed, notifies)
    }

    /// What both ends can, given what the peer's message says.
    func agreed(in content: MessageContent, _ connection: IKEConnection) -> AgreedExtensions {
        var agreed: AgreedExtensions = []
        if connection.fragmentSize != nil, content.notify(.fragmentationSupported) != nil {
            agreed.insert(.fragmentation)
        }
        if content.notify(.intermediateExchangeSupported) != nil { agreed.insert(.intermediate) }
        if connection.signsFullTranscript, content.notify(.ikeSAInitFullTranscriptAuth) != nil {
            agreed.insert(.fullTranscript)
        }
        // For a responder, identities may yet tell of another connection with the same addresses.
        if content.notify(.usePPK) != nil, connections.contains(where: { $0.ppk != nil }) {
            agreed.insert(.ppk)
        }
        if content.notify(.childlessIKEv2Supported) != nil { agreed.insert(.childless) }
        return agreed
    }
}

/// Of the notifications that tell what an end can do.
private enum InitNotifies {
    /// As many as there can be.
    static let most = 6
}

extension IKEConnection {
    fileprivate var offersAdditionalKeyExchanges: Bool {
        self.proposals.contains { $0.proposal.hasAdditionalKeyExchanges }
    }
}

/// SIGNATURE_HASH_ALGORITHMS (RFC 7427 §4): the hash functions that an end can verify signatures
/// with.
enum SignatureHashes {
    /// SHA2-256, SHA2-384, SHA2-512 and, for EdDSA, Identity (RFC 8420 §2). Not SHA1.
    static let ours: [UInt16] = [2, 3, 4, 5]

    static let notify: Payload = {
        var writer = ByteWriter(reserving: 2 * ours.count)
        for hash in ours { writer.write(hash) }
        return .notify(NotifyPayload(.signatureHashAlgorithms, data: writer.bytes))
    }()

    /// Those of the peer; empty where it has not said.
    static func read(_ content: MessageContent) -> [UInt16] {
        guard let data = content.notify(.signatureHashAlgorithms)?.data,
            data.count.isMultiple(of: 2)
        else { return [] }
        return stride(from: 0, to: min(data.count, 64), by: 2).map {
            UInt16(data[$0]) << 8 | UInt16(data[$0 + 1])
        }
    }
}
