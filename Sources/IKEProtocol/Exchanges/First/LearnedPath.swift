internal import IPsecPrimitives

/// What the answer to the first request tells the initiator of the way to the peer
/// (RFC 7296 §2.23).
extension IKEEngine {
    /// Our true address, the NATs between, and the port for all that follows.
    func learnPath(of sa: IKESA, _ content: MessageContent, _ datagram: IKEDatagram) {
        var path = sa.path
        path.local.address = datagram.local.address
        let isForced = sa.nat.isForced
        sa.nat = NATDetection.situation(
            content,
            initiatorSPI: sa.initiatorSPI,
            responderSPI: sa.responderSPI,
            path: IKEPath(datagram)
        )
        sa.nat.isForced = isForced && sa.nat.isSupported
        if sa.path.transport == .tcp {
            sa.stream?.failures = 0
            return reportTranslation(of: sa)
        }
        setPath(path, of: sa)
        reportNAT(of: sa)
        // RFC 4555 §3.3: with MOBIKE also where no NAT is, lest the ports change later.
        guard sa.isEncapsulated || (sa.connection.mobility.isOffered && sa.nat.isSupported) else {
            return
        }
        // An IKE SA in the place of another begins where that was: behind a NAT the peer is known by
        // the mapping of that port alone.
        guard sa.path.local.port == settings.ikePort else { return }
        // RFC 7296 §2.23: "the initiator MUST set both UDP source and destination ports to 4500".
        sa.path.local.port = settings.natTraversalPort
        sa.path.remote.port = settings.natTraversalPort
    }

    private func reportTranslation(of sa: IKESA) {
        if sa.nat.isLocalTranslated || sa.nat.isRemoteTranslated {
            report(
                .networkAddressTranslation(
                    local: sa.nat.isLocalTranslated,
                    remote: sa.nat.isRemoteTranslated
                ),
                of: sa
            )
        }
    }

    func reportNAT(of sa: IKESA) {
        reportTranslation(of: sa)
        // RFC 9329 §6.5: by TCP, encapsulation is not in question.
        guard sa.path.transport == .udp else { return }
        let connection = sa.connection
        if connection.encapsulation == .esp, sa.isEncapsulated {
            report(
                .encapsulationDiffers(
                    NegotiationFailure(
                        subject: .encapsulation,
                        explanation: "ESP goes in UDP although encapsulation is esp: a NAT is on "
                            + "the way, or the peer says so.",
                        source: connection.encapsulationSource,
                        remedy: "Remove the NAT or the peer's forced encapsulation, or write auto "
                            + "at \(connection.encapsulationSource)."
                    )
                ),
                of: sa
            )
        }
        if connection.encapsulation == .udp, !sa.isEncapsulated {
            report(
                .encapsulationDiffers(
                    NegotiationFailure(
                        subject: .encapsulation,
                        explanation: "ESP goes without UDP although encapsulation is udp: the peer "
                            + "does not know NAT traversal.",
                        source: connection.encapsulationSource,
                        remedy: "Switch NAT traversal on at the peer."
                    )
                ),
                of: sa
            )
        }
    }
}
