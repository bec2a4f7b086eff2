package import IPsecPrimitives

/// How the SAs of a tunnel carry its packets.
package struct CarriageConfiguration: Equatable, Sendable {
    /// RFC 4301 §4.1.
    package enum Mode: String, CaseIterable, Sendable {
        case tunnel
        /// Only what the gateways themselves send each other.
        case transport
    }

    /// Algorithms of IPComp (RFC 7296 §2.22).
    package enum Compression: String, CaseIterable, Sendable {
        case deflate, lzs, lzjh
    }

    /// Padding for traffic flow confidentiality (RFC 7296 §1.3.1).
    package enum Padding: String, CaseIterable, Sendable {
        case accept, refuse
    }

    /// Where IPv4 packets that may be fragmented are, if they are too long (RFC 4301 §8.2.1).
    package enum Fragmentation: String, CaseIterable, Sendable {
        case before, after
    }

    package var mode: Located<Mode>
    /// For AH, in order of preference, behind those for ESP.
    package var ahProposals: [Located<Proposal>] = []
    /// In order of preference; empty: none.
    package var compression: [Located<Compression>] = []
    package var padding: Located<Padding>
    /// Whether later fragments, whose ports cannot be seen, go by the SA of the first (RFC 4301
    /// §7).
    package var laterFragments: Located<Bool>
    package var fragmentation: Located<Fragmentation>
    /// What an SA takes from its packet: each value has a Child SA of its own.
    package var populated: Located<PopulatedSelectors>
    /// Child SAs of the same traffic (RFC 9611).
    package var resources: Located<Int>
    /// Whether several threads work on the packets of one SA.
    package var isSpread: Located<Bool>
    /// Packets with these DSCPs have Child SAs of their own, one a set; no value is in two of them.
    package var codePointSets: Located<[CodePointSet]>
    package var padTo: Located<PaddingLength>
    /// Packets without content, sent where nothing else is; nil: none.
    package var dummiesPerSecond: Located<Int?>
    /// Nil: packets go as they come.
    package var train: TrainConfiguration?

    /// The defaults.
    package init(location: SourceLocation) {
        mode = Located(.tunnel, at: location)
        padding = Located(.accept, at: location)
        laterFragments = Located(false, at: location)
        fragmentation = Located(.before, at: location)
        populated = Located([], at: location)
        resources = Located(1, at: location)
        isSpread = Located(false, at: location)
        codePointSets = Located([], at: location)
        padTo = Located(.off, at: location)
        dummiesPerSecond = Located(nil, at: location)
    }
}
