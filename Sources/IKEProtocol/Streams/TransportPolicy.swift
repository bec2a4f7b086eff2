/// By what a connection's messages travel (RFC 9329 §2: "support for TCP encapsulation must be
/// preconfigured on both").
package struct TransportPolicy: Hashable, Sendable {
    package enum Choice: Hashable, Sendable {
        /// UDP, and TCP where UDP does not get through (RFC 9329 §5.1).
        case automatic
        case udp
        case tcp
    }

    package var choice: Choice
    /// Where the peer listens for TCP.
    package var port: UInt16
    /// How often an IKE SA that had to take TCP tries UDP again.
    package var udpRetryInterval: Duration

    package init(
        _ choice: Choice = .udp,
        port: UInt16 = 4500,
        udpRetryInterval: Duration = .seconds(600)
    ) {
        self.choice = choice
        self.port = port
        self.udpRetryInterval = udpRetryInterval
    }

    /// Whether messages may come and go by `transport`.
    package func allows(_ transport: IKETransport) -> Bool {
        switch choice {
        case .automatic: true
        case .udp: transport == .udp
        case .tcp: transport == .tcp
        }
    }
}
