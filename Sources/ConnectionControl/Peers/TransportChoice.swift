internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives

/// By what the next IKE SA of a connection begins (RFC 9329 §5.1).
///
/// UDP goes first. Where it finds no answer, the same address is tried by TCP; and for a while after
/// that the network is "known to not support UDP" and TCP goes at once. What is known ends with that
/// time, with an answer by UDP, with a failure by TCP too, and with a change of the host's addresses.
struct TransportChoice: Equatable {
    /// By what the address is called that is called now.
    private(set) var current = IKETransport.udp
    private var udpIsBlockedUntil: Instant?

    /// The transport for the first message to another address.
    mutating func begin(_ paths: PathConfiguration, at now: Instant) -> IKETransport {
        switch paths.transport.value {
        case .udp: current = .udp
        case .tcp: current = .tcp
        case .automatic:
            current = udpIsBlockedUntil.map { now < $0 } == true ? .tcp : .udp
        }
        return current
    }

    /// Nobody answered at the address that is called.
    ///
    /// - Returns: whether to call it again, by TCP.
    mutating func unanswered(_ paths: PathConfiguration, at now: Instant) -> Bool {
        guard paths.transport.value == .automatic, current == .udp else {
            forget()
            return false
        }
        current = .tcp
        udpIsBlockedUntil = now + paths.udpRetry.value
        return true
    }

    /// UDP gets through, or may do so where the host is now.
    mutating func forget() { udpIsBlockedUntil = nil }

    /// An IKE SA is up by whatever was called.
    mutating func answered() { if current == .udp { forget() } }
}
