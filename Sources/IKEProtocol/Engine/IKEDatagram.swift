package import IPsecPrimitives

/// What carries messages, and with them the packets of Child SAs.
package enum IKETransport: String, Hashable, Sendable {
    case udp
    /// One TCP connection an IKE SA (RFC 9329).
    case tcp
}

/// One IKE message between two endpoints, without the non-ESP marker.
///
/// The marker (RFC 7296 §3.1, RFC 3948 §2.2) belongs to the socket: it stands before everything
/// that leaves from or comes in at the NAT traversal port, and nowhere else.
package struct IKEDatagram: Hashable, Sendable {
    package var bytes: [UInt8]
    package var local: Endpoint
    package var remote: Endpoint
    package var transport: IKETransport
    /// Whether it probes the path: to be sent as it is, whatever the system knows of the path's MTU,
    /// and so that nobody on the way may fragment it.
    package var isUncut = false

    package init(
        bytes: [UInt8],
        local: Endpoint,
        remote: Endpoint,
        transport: IKETransport = .udp
    ) {
        self.bytes = bytes
        self.local = local
        self.remote = remote
        self.transport = transport
    }
}
