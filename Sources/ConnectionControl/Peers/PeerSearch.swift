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
    /// Places in the list of the configuration, and among what a name stands for.
    private var entry = 0
    private var address = 0
    /// Addresses tried since the search began.
    private(set) var tried: [IPAddress] = []
    /// Of the address before.
    var failure: NegotiationFailure?

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
                if address == 0, let step = take(target, version) { return step }
            case .name(let name):
                guard names.isValid(name, at: now) else { return .look(up: name) }
                let found = names.addresses(of: name)
                while address < found.count {
                    if let step = take(found[address], version) { return step }
                }
            }
            entry += 1
            address = 0
        }
        return .exhausted
    }

    private mutating func take(_ target: IPAddress, _ version: IPVersion?) -> Step? {
        address += 1
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
        address = 0
        tried = []
        called = []
        failure = nil
    }
}
