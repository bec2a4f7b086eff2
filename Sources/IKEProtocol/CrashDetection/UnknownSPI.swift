internal import IKEMessages
internal import IPsecPrimitives

/// INVALID_SPI: packets that come by an SPI which their receiver does not have (RFC 7296 §1.5,
/// §2.21.4).
extension IKEEngine {
    /// Anyone can send a packet with any SPI from any address, so a peer is told once in a while.
    private static let complaintInterval: Duration = .seconds(60)

    /// Tells the peer, over an IKE SA that is there; where there is none this end keeps silent, for
    /// an answer in clear to what anyone can send would only help a flood.
    func complain(of spi: SPI, to remote: Endpoint, at now: Instant) {
        // One that this end is making or closing is not unknown, and a reserved one is of no SA.
        guard !spi.isReserved, sas.isFree(spi), let sa = sas.current(with: remote),
            sa.timers[.spiComplaint] == nil
        else { return }
        arm(.spiComplaint, of: sa, at: now + IKEEngine.complaintInterval)
        report(.unknownSPI(spi), of: sa)
        enqueue(.complainOfSPI(spi), of: sa, at: now)
    }

    /// The peer, which has proven itself, does not have an SA.
    ///
    /// RFC 7296 §2.21.4: the recipient "MUST NOT change the state of any SAs as a result". So an SA
    /// by which this end sends is not dropped; a rekeying is begun, in which both ends find out
    /// (CHILD_SA_NOT_FOUND, §2.25).
    ///
    /// - Returns: whether the notification is of a child that this end holds for good.
    func heedComplaint(
        _ notify: NotifyPayload,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) -> Bool {
        guard notify.type == .invalidSPI, let spi = SPI(complaint: notify),
            let child = state.child(outboundSPI: spi)
        else { return false }
        guard child.stage == .current, sa.timers[.heededComplaint] == nil else { return true }
        arm(.heededComplaint, of: sa, at: now + IKEEngine.complaintInterval)
        report(.childSAUnknownToPeer(outboundSPI: spi), of: sa, child: child.policy.name)
        enqueue(.rekeyChild(inboundSPI: child.inboundSPI), of: sa, at: now)
        return true
    }

    /// The same in clear, from a peer that has lost the IKE SA as well: "only ... a hint that
    /// something might be wrong", and never answered, for two ends that answer one another would
    /// not end (RFC 7296 §1.5). Whether the peer lives is asked of the peer itself.
    ///
    /// - Returns: whether the message is of this kind.
    func receiveUnprotectedComplaint(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        at now: Instant
    ) -> Bool {
        guard header.exchangeType == .informational, !header.isResponse,
            datagram.bytes.count <= IKEEngine.maximumUnprovenOctets,
            let message = try? IKEMessage(reading: datagram.bytes),
            case .none = message.protection, let content = MessageContent(message.payloads),
            let notify = content.notify(.invalidSPI)
        else { return false }
        guard let spi = SPI(complaint: notify), let sa = sas.current(with: datagram.remote),
            let child = sa.established?.child(outboundSPI: spi), child.stage == .current,
            sa.requests.isEmpty, sa.timers[.heededHint] == nil
        else { return true }
        arm(.heededHint, of: sa, at: now + IKEEngine.complaintInterval)
        enqueue(.checkLiveness, of: sa, at: now)
        return true
    }
}

extension Established {
    /// The child whose packets from us carry `spi`, ESP or AH: INVALID_SPI does not say which.
    fileprivate func child(outboundSPI spi: SPI) -> ChildSA? {
        child(outboundSPI: spi, of: .esp) ?? child(outboundSPI: spi, of: .ah)
    }
}

extension NotifyPayload {
    /// RFC 7296 §1.5: "The Notification Data contains the SPI of the invalid packet".
    init(unknownSPI spi: SPI) {
        var writer = ByteWriter(reserving: 4)
        writer.write(spi.rawValue)
        self.init(.invalidSPI, data: writer.bytes)
    }
}

extension SPI {
    fileprivate init?(complaint notify: NotifyPayload) {
        guard notify.data.count == 4 else { return nil }
        self.init(rawValue: notify.data.reduce(0) { $0 << 8 | UInt32($1) })
    }
}
