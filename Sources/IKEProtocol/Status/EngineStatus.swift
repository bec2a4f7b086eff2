package import IPsecPrimitives

/// A picture of the engine for `cygnet status`.
package struct EngineStatus: Hashable, Sendable {
    package var ikeSAs: [IKESAStatus]
    package var halfOpenSAs: Int
    package var counters: EngineCounters

    package init(ikeSAs: [IKESAStatus], halfOpenSAs: Int, counters: EngineCounters) {
        self.ikeSAs = ikeSAs
        self.halfOpenSAs = halfOpenSAs
        self.counters = counters
    }
}

package struct IKESAStatus: Hashable, Sendable {
    package enum Stage: String, Hashable, Sendable {
        case connecting
        case established
        case rekeying
        case closing
    }

    package var connection: String
    package var stage: Stage
    package var isInitiator: Bool
    package var initiatorSPI: IKESPI
    package var responderSPI: IKESPI
    package var local: Endpoint
    package var remote: Endpoint
    package var transport: IKETransport
    package var localIdentity: String
    /// Nil until it is proven.
    package var remoteIdentity: String?
    package var suite: String?
    /// Whether the keys come from a postquantum preshared key as well (RFC 8784).
    package var usesPPK: Bool
    /// The largest IP datagram that a message goes in whole, in octets; nil where the peer, or
    /// this end, takes no fragments (RFC 7383).
    package var fragmentSize: Int?
    /// What both ends can do beyond RFC 7296, in words that never change.
    package var extensions: [String]
    /// Requests that the peer takes at once (RFC 7296 §2.3).
    package var window: UInt32
    package var isLocalBehindNAT: Bool
    package var isRemoteBehindNAT: Bool
    package var age: Duration
    /// Made with a ticket from one that was lost (RFC 5723).
    package var isResumed: Bool
    package var rekeyIn: Duration?
    package var children: [ChildSAStatus]
}

package struct ChildSAStatus: Hashable, Sendable {
    package var child: String
    package var inboundSPI: SPI
    package var outboundSPI: SPI
    package var suite: String
    package var localSelectors: [TrafficSelector]
    package var remoteSelectors: [TrafficSelector]
    package var isEncapsulated: Bool
    /// What is not ordinary, in words: `AH`, `transport mode`, `resource 1`.
    package var traits: [String]
    package var age: Duration
    package var rekeyIn: Duration?
    /// Replaced by another and soon removed.
    package var isReplaced: Bool
}
