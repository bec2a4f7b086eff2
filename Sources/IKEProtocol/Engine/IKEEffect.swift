package import IPsecPrimitives

/// What the engine wants done, in this order. What is large stands apart, so that a list of effects
/// is quick to make.
package enum IKEEffect: Sendable {
    case send(IKEDatagram)
    /// One octet 0xFF without a marker, from the NAT traversal port (RFC 3948 §2.3).
    case sendKeepalive(local: Endpoint, remote: Endpoint)
    /// Open a TCP connection and send the prefix (RFC 9329 §4, §6.1), from any address where
    /// `local` is unspecified.
    case openStream(StreamAttempt, local: IPAddress, Endpoint)
    /// The connection is not wanted any more; should it open all the same, it is closed.
    case abandonStream(StreamAttempt)
    /// Close it once everything sent before is out.
    case closeStream(local: Endpoint, remote: Endpoint)
    indirect case installChildSA(ChildSAInstallation)
    /// Traffic moves to the outbound half of this SA, away from the SA that it replaces.
    case useChildSAOutbound(inboundSPI: SPI)
    /// Both halves go. An SA that was replaced is removed a few seconds after its Delete, so that
    /// packets in flight still arrive.
    case removeChildSA(inboundSPI: SPI, outboundSPI: SPI)
    /// The SAs' outer addresses or encapsulation changed.
    indirect case updateEndpoints(inboundSPI: SPI, path: ChildSAPath)
    /// Which local address does the routing table take towards `remote`?
    case findRoute(remote: IPAddress)
    /// A probe of a path's MTU was answered, or what followed it in fragments was.
    indirect case pathMTUProbed(PathMTUProbe)
    /// Begin again with another gateway.
    indirect case redirected(Redirection)
    indirect case report(IKEReport)
}
