internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// Hashes of addresses and ports, which tell each end whether they arrive as they left
/// (RFC 7296 §2.23).
enum NATDetection {
    static let hashLength = 20

    /// SHA-1(SPIi | SPIr | address | port).
    static func hash(
        initiatorSPI: IKESPI,
        responderSPI: IKESPI,
        _ endpoint: Endpoint
    ) -> [UInt8] {
        var writer = ByteWriter(reserving: 34)
        writer.write(initiatorSPI.rawValue)
        writer.write(responderSPI.rawValue)
        writer.write(endpoint.address)
        writer.write(endpoint.port)
        return SHA1Digest.compute(writer.bytes)
    }

    /// The notifications that go with a message sent along `path`.
    ///
    /// `forgedSource` stands in the place of the hash of our own address and cannot match: the peer
    /// then takes us to be behind a NAT and encapsulates (RFC 7296 §2.23: "MAY be used to force
    /// UDP").
    static func notifies(
        initiatorSPI: IKESPI,
        responderSPI: IKESPI,
        path: IKEPath,
        forgedSource: [UInt8]?
    ) -> [Payload] {
        let source =
            forgedSource
            ?? hash(initiatorSPI: initiatorSPI, responderSPI: responderSPI, path.local)
        let destination = hash(
            initiatorSPI: initiatorSPI,
            responderSPI: responderSPI,
            path.remote
        )
        return [
            .notify(NotifyPayload(.natDetectionSourceIP, data: source)),
            .notify(NotifyPayload(.natDetectionDestinationIP, data: destination)),
        ]
    }

    /// What the hashes in a message that came along `path` tell.
    static func situation(
        _ content: MessageContent,
        initiatorSPI: IKESPI,
        responderSPI: IKESPI,
        path: IKEPath
    ) -> NATSituation {
        guard content.notify(.natDetectionSourceIP) != nil,
            content.notify(.natDetectionDestinationIP) != nil
        else { return NATSituation() }
        let remote = hash(
            initiatorSPI: initiatorSPI,
            responderSPI: responderSPI,
            path.remote
        )
        let local = hash(initiatorSPI: initiatorSPI, responderSPI: responderSPI, path.local)
        return NATSituation(
            isSupported: true,
            isLocalTranslated: !content.notifies.contains {
                $0.type == .natDetectionDestinationIP && $0.data == local
            },
            isRemoteTranslated: !content.notifies.contains {
                $0.type == .natDetectionSourceIP && $0.data == remote
            },
            isForced: false
        )
    }
}
