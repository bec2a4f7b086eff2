package import IKEProtocol
package import IPsecPrimitives
package import PacketProtection

/// What connection control learns from outside.
package enum ControlEvent: Sendable {
    case datagram(IKEDatagram)
    /// Answers `ControlEffect.openStream`: the prefix of RFC 9329 §4 is on its way.
    case streamOpened(StreamAttempt, local: Endpoint, remote: Endpoint)
    /// Answers `ControlEffect.openStream`, with the reason in words.
    case streamFailed(StreamAttempt, String)
    /// A TCP connection, whoever opened it, has ended otherwise than by `ControlEffect.closeStream`.
    case streamClosed(local: Endpoint, remote: Endpoint)
    /// `nextTimeout` has come. Harmless when it has not.
    case timeout
    case packetPath(PacketPathEvent)
    /// The network says that the path to a peer carries no more than so many octets (RFC 4301
    /// §8.2.1); not authentic, so it only ever lowers a tunnel's MTU, not below a floor and not
    /// for long.
    case pathMTU(remote: IPAddress, octets: Int)
    /// Answers `ControlEffect.findLocalAddress`; nil when no route leads to the peer.
    case localAddressFound(connection: String, remote: IPAddress, IPAddress?)
    /// Answers `ControlEffect.resolve`, with the shortest time to live of the answer's records.
    /// Without addresses, the name could not be looked up.
    case resolved(name: String, addresses: [IPAddress], lifetime: Duration?)
    /// The host's addresses, before `start` and whenever one comes or goes or a route changes.
    case localAddressesChanged([IPAddress])
    /// Answers `ControlEffect.findRoute`; nil when no route leads there.
    case routeFound(remote: IPAddress, local: IPAddress?)
    /// Somebody asks for a tunnel, or for each of a connection. Both names must exist.
    case bringUp(RequestToken, connection: String, tunnel: String?)
    /// Somebody asks to end a tunnel, or a connection. Both names must exist.
    case takeDown(RequestToken, connection: String, tunnel: String?)
    /// Somebody asks for new keys. The names must exist.
    case rekey(RequestToken, connection: String, KeySubject)
    /// Answered by `ControlEffect.countersReady` once the packet path has told its counters.
    case readCounters(RequestToken)
    /// Every peer is told; `ControlEffect.allClosed` follows when each has answered or is given up.
    case shutDown
}

/// Whose keys are to be replaced.
package enum KeySubject: Hashable, Sendable {
    case ikeSA
    /// Those of one tunnel; nil: of all.
    case childSAs(tunnel: String?)
}

/// Names one request of a management client.
package struct RequestToken: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// What connection control wants done, in this order.
package enum ControlEffect: Sendable {
    case send(IKEDatagram)
    /// One octet 0xFF from the NAT traversal port (RFC 3948 §2.3).
    case sendKeepalive(local: Endpoint, remote: Endpoint)
    /// Open a TCP connection and send the prefix of RFC 9329 §4; from any address where `local` is
    /// unspecified.
    case openStream(StreamAttempt, local: IPAddress, Endpoint)
    case abandonStream(StreamAttempt)
    /// Close it once everything sent before is out.
    case closeStream(local: Endpoint, remote: Endpoint)
    case packetPath(PacketPathCommand)
    /// Which local address does the routing table take towards `remote`?
    case findLocalAddress(connection: String, remote: IPAddress)
    /// Which addresses does a host name stand for now?
    case resolve(name: String)
    /// Which local address does the routing table take towards a peer that is connected?
    case findRoute(remote: IPAddress)
    case report(IKEReport)
    /// One line for the user who waits.
    case requestProgress(RequestToken, String)
    case requestEnded(RequestToken, RequestOutcome)
    case countersReady(RequestToken)
    case allClosed
}

/// How a request ended.
package enum RequestOutcome: Hashable, Sendable {
    case done(String)
    case failed(NegotiationFailure)
}
