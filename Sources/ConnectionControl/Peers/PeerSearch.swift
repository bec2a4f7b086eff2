internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

/// The search for a peer among its addresses, one after the other, until an IKE SA is up.
struct PeerSearch {
    enum Stage: Hashable {
        /// Nothing is under way, or an IKE SA is up.
        case idle
        /// The DNS is asked.
        case waitingForName(String)
        /// The routing table is asked for our address.
        case waitingForAddress(IPAddress)
        /// An IKE SA is begun.
        case calling(IPAddress)
    }

    enum Step: Hashable {
        case call(IPAddress)
        case look(up: String)
        /// Every address was tried.
        case exhausted
    }

    var stage = Stage.idle
    /// Tunnels that wait for the next address, with the packets that asked for them.
    var waiting: [(path: TunnelPath, packet: PacketTuple?)] = []
    /// Those that wait for the address that is called.
    var called: [(path: TunnelPath, packet: PacketTuple?)] = []
    /// Our address towards the one that is called.
    var callingFrom: IPAddress?
    /// Place in the list of the configuration.
    private var entry = 0
    /// Addresses tried since the search began.
    private(set) var tried: [IPAddress] = []
    /// Of the address before.
    var failure: NegotiationFailure?
    /// The end of an IKE SA that was followed by the next call: it is told once for each tunnel.
    var settled: RecordedFailure?

    /// The next address, in order; each is tried once.
    mutating func next(
        of peers: [PeerAddress],
        _ names: HostNames,
        version: IPVersion?,
        at now: Instant
    ) -> Step {
        while entry < peers.count {
            switch peers[entry] {
            case .range: break
            case .address(let target):
                if let step = take(target, version) { return step }
            case .name(let name):
                guard names.isValid(name, at: now) else { return .look(up: name) }
                // Another answer may have them in another order, and others.
                for target in names.addresses(of: name) {
                    if let step = take(target, version) { return step }
                }
            }
            entry += 1
        }
        return .exhausted
    }

    private mutating func take(_ target: IPAddress, _ version: IPVersion?) -> Step? {
        guard version == nil || version == target.version, !tried.contains(target) else {
            return nil
        }
        tried.append(target)
        return .call(target)
    }

    /// From the first address on the next time.
    mutating func reset() {
        stage = .idle
        entry = 0
        tried = []
        called = []
        failure = nil
        settled = nil
    }
}
