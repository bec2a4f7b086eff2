package import IPsecPrimitives

/// What one Child SA of a connection may carry. Its `Values` are its properties.
package struct ChildPolicy: SharedDescription, Hashable {
    package struct Values: Hashable, Sendable {
        package var name: String
        package var source: String
        package var selectorsSource: String
        /// For ESP or AH, in order of preference. KE methods count in a CREATE_CHILD_SA only.
        package var proposals: [ConfiguredProposal]
        package var localSelectors: [TrafficSelector]
        package var remoteSelectors: [TrafficSelector]
        /// What a Child SA takes from the packet that asks for it, so that each value gets one of its
        /// own (RFC 4301 §4.4.1).
        package var populated: PopulatedSelectors = []
        /// Transport mode carries what the gateways themselves send each other, and nothing else.
        package var mode: ChildMode = .tunnel
        /// Algorithms of IPComp (RFC 7296 §2.22) in order of preference; empty: no compression.
        package var compression: [UInt8] = []
        /// Whether padding for traffic flow confidentiality is taken (RFC 7296 §1.3.1).
        package var acceptsPadding = true
        /// Whether this end pads packets so, where the peer takes it.
        package var padsOutbound = false
        /// Whether packets go in AGGFRAG payloads (RFC 9347 §5.1); nil: they do not.
        package var aggregation: AggregationPolicy?
        /// Whether later fragments, whose ports cannot be seen, go by the same SA (RFC 4301 §7).
        package var carriesLaterFragments = false
        /// How many Child SAs of these selectors the two ends keep (RFC 9611); the first of them is
        /// the fallback.
        package var resources = 1
        /// Packets with these DSCPs have Child SAs of their own, one a set (RFC 4301 §4.1); of no
        /// value there are two. Empty: one is for all.
        package var codePointSets: [CodePointSet] = []
        /// By time. Bytes and packets are the packet path's, which reports when they run out.
        package var lifetime: SALifetime
    }

    package var shared: Shared<Values>

    package init(
        name: String,
        source: String,
        proposals: [ConfiguredProposal],
        localSelectors: [TrafficSelector],
        remoteSelectors: [TrafficSelector]
    ) {
        shared = Shared(
            Values(
                name: name,
                source: source,
                selectorsSource: source,
                proposals: proposals,
                localSelectors: localSelectors,
                remoteSelectors: remoteSelectors,
                lifetime: .childDefault
            )
        )
    }
}
