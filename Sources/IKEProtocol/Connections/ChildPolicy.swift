package import IPsecPrimitives

/// What one Child SA of a connection may carry. Copies share their values as those of a
/// connection do.
package struct ChildPolicy: Hashable, Sendable {
    package var name: String {
        get { shared.values.name }
        set { values.name = newValue }
    }
    package var source: String {
        get { shared.values.source }
        set { values.source = newValue }
    }
    package var selectorsSource: String {
        get { shared.values.selectorsSource }
        set { values.selectorsSource = newValue }
    }
    /// For ESP or AH, in order of preference. KE methods count in a CREATE_CHILD_SA only.
    package var proposals: [ConfiguredProposal] {
        get { shared.values.proposals }
        set { values.proposals = newValue }
    }
    package var localSelectors: [TrafficSelector] {
        get { shared.values.localSelectors }
        set { values.localSelectors = newValue }
    }
    package var remoteSelectors: [TrafficSelector] {
        get { shared.values.remoteSelectors }
        set { values.remoteSelectors = newValue }
    }
    /// Each pair of addresses gets a Child SA of its own (RFC 4301 §4.4.1.2: both addresses are
    /// populated from the packet).
    package var isPerPair: Bool {
        get { shared.values.isPerPair }
        set { values.isPerPair = newValue }
    }
    /// Transport mode carries what the gateways themselves send each other, and nothing else.
    package var mode: ChildMode {
        get { shared.values.mode }
        set { values.mode = newValue }
    }
    /// Algorithms of IPComp (RFC 7296 §2.22) in order of preference; empty: no compression.
    package var compression: [UInt8] {
        get { shared.values.compression }
        set { values.compression = newValue }
    }
    /// Whether padding for traffic flow confidentiality is taken (RFC 7296 §1.3.1).
    package var acceptsPadding: Bool {
        get { shared.values.acceptsPadding }
        set { values.acceptsPadding = newValue }
    }
    /// Whether later fragments, whose ports cannot be seen, go by the same SA (RFC 4301 §7).
    package var carriesLaterFragments: Bool {
        get { shared.values.carriesLaterFragments }
        set { values.carriesLaterFragments = newValue }
    }
    /// How many Child SAs of these selectors the two ends keep (RFC 9611); the first of them is
    /// the fallback.
    package var resources: Int {
        get { shared.values.resources }
        set { values.resources = newValue }
    }
    /// By time. Bytes and packets are the packet path's, which reports when they run out.
    package var lifetime: SALifetime {
        get { shared.values.lifetime }
        set { values.lifetime = newValue }
    }

    private var shared: SharedValues<ChildPolicyValues>

    private var values: ChildPolicyValues {
        get { shared.values }
        set { shared = SharedValues(newValue) }
    }

    package init(
        name: String,
        source: String,
        proposals: [ConfiguredProposal],
        localSelectors: [TrafficSelector],
        remoteSelectors: [TrafficSelector]
    ) {
        shared = SharedValues(
            ChildPolicyValues(
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

    package static func == (left: ChildPolicy, right: ChildPolicy) -> Bool {
        left.shared === right.shared || left.values == right.values
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(values) }
}
