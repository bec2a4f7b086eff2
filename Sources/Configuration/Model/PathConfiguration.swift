package import IPsecPrimitives

/// How the way between the two ends of a connection may change.
package struct PathConfiguration: Equatable, Sendable {
    package enum Mobility: String, CaseIterable, Sendable {
        /// Where the addresses of either end are open.
        case automatic = "auto"
        /// Whatever the addresses; the peer may go anywhere.
        case on = "true"
        case off = "false"
    }

    /// When a peer is sent elsewhere (RFC 5685).
    package enum RedirectMoment: String, CaseIterable, Sendable {
        /// At its first message (§3).
        case first
        /// When it has proven who it is (§6).
        case proven
    }

    package enum RedirectTarget: Hashable, Sendable {
        case address(IPAddress)
        case name(String)
    }

    /// By what IKE travels (RFC 9329).
    package enum Transport: String, CaseIterable, Sendable {
        /// UDP, and TCP where UDP does not get through.
        case automatic = "auto"
        case udp
        case tcp
    }

    package var transport: Located<Transport>
    /// Where the peer listens for TCP.
    package var tcpPort: Located<UInt16>
    /// How often an IKE SA that had to take TCP tries UDP again.
    package var udpRetry: Located<Duration>
    /// MOBIKE (RFC 4555).
    package var mobility: Located<Mobility>
    /// Local addresses that the peer is told of besides the one in use; nil in `value`: all.
    package var additionalAddresses: Located<[IPAddress]?>
    /// Whether this end goes where the peer sends it.
    package var followsRedirects: Located<Bool>
    /// Where this end sends peers that begin; nil in `value`: nowhere.
    package var redirectTarget: Located<RedirectTarget?>
    package var redirectMoment: Located<RedirectMoment>

    package init(location: SourceLocation) {
        transport = Located(.udp, at: location)
        tcpPort = Located(4500, at: location)
        udpRetry = Located(.seconds(600), at: location)
        mobility = Located(.automatic, at: location)
        additionalAddresses = Located(nil, at: location)
        followsRedirects = Located(true, at: location)
        redirectTarget = Located(nil, at: location)
        redirectMoment = Located(.first, at: location)
    }
}
