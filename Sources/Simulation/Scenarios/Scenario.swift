internal import IPsecCrypto
package import IPsecPrimitives

/// Everything that is decided before a run begins; a seed gives one, always the same.
package struct Scenario: Sendable {
    /// What a run is meant to show; decides which faults and checks it has.
    package enum Character: String, CaseIterable, Sendable {
        /// Nothing is lost: probes must all arrive, whatever is rekeyed.
        case lossFree = "loss-free"
        /// A bad network without outages.
        case lossy
        /// Outages, crashes, moves.
        case stormy
        /// Attackers besides.
        case hostile
    }

    package let seed: UInt64
    package let character: Character
    package var gateways: [GatewayPlan]
    package var peerings: [PeeringPlan]
    /// By source × gateways + destination.
    package var conditions: [LinkConditions]
    package var faults: [PlannedFault]
    package var timeline: Timeline
    /// Nanoseconds between the probes of one flow.
    package var probeInterval: UInt64
    package var hasAttackers = true

    /// ML-KEM and the curves as the daemon has them, rather than a stand-in that costs little and draws
    /// no randomness of its own.
    package var usesLibraryKeyEncapsulation = false

    var keyExchange: any KeyEncapsulationProvider {
        ApartKeyEncapsulation(
            of: usesLibraryKeyEncapsulation
                ? LibraryKeyEncapsulation() : ReproducibleKeyEncapsulation(standsInForCurves: true)
        )
    }

    /// Whether all ways are one, because there are too many.
    var isCrowd: Bool { conditions.count == 1 && gateways.count > 1 }
}

/// When the parts of a run begin, in virtual nanoseconds.
package struct Timeline: Sendable {
    /// Faults end.
    var calm: UInt64
    /// Everything wanted must be up, and stay so.
    var settled: UInt64
    /// Every gateway is told to stop.
    var closing: UInt64
    /// Nothing may be left.
    var end: UInt64
}

package struct GatewayPlan: Sendable {
    package let index: Int
    /// Its own address: a private one behind a NAT box.
    package var address: IPAddress
    package var nat: NATPlan?
    /// Another way into the network, which comes and goes.
    package var second: AttachmentPlan?
    /// Whether it is the one that begins all its IKE SAs, all with MOBIKE.
    var roamsAlone = false
    package var cookieThreshold: Int
    /// Child SAs that it takes in one IKE SA; nil: as many as the product does.
    var childLimit: Int?
    /// Gives peers tokens that prove its restart, made of a secret on its disk (RFC 6290).
    var detectsCrashes = false

    package var name: String { "g\(index)" }
    /// Whether others may begin: not behind a box that lets nobody in.
    var isReachable: Bool { nat?.forwards ?? true }
    package var publicAddress: IPAddress { nat?.publicAddress ?? address }
}

package struct NATPlan: Sendable {
    package var publicAddress: IPAddress
    package var isOpen: Bool
    package var forwards: Bool
    package var timeout: UInt64
}

/// A way into the network.
package struct AttachmentPlan: Sendable {
    package var address: IPAddress
    package var nat: NATPlan?
}

/// Two gateways that are configured for one another.
package struct PeeringPlan: Sendable {
    package let number: Int
    package let gateways: [Int]
    /// Of each gateway, in the same order.
    package var ends: [EndPlan]
    package var tunnels: [TunnelPlan]
    package var mismatch: Mismatch
    package var transport = TransportPlan()
    /// Gateways that take the place of one end where redirects lead to them, and of which end.
    var standIns: Set<Int> = []
    var standsInFor = 0
    /// What is in force.
    var redirecting: Redirecting?

    package var name: String { "g\(gateways[0])-g\(gateways[1])" }

    var hasMobility: Bool { ends.allSatisfy { $0.mobike != nil && $0.mobike != "false" } }

    func isEnd(_ gateway: Int) -> Bool {
        gateways.contains(gateway) || standIns.contains(gateway)
    }

    /// Whether a gateway has the peering in its configuration now.
    func isConfigured(at gateway: Int) -> Bool {
        gateways.contains(gateway)
            || redirecting?.steps.contains { $0.gateway == gateway } ?? false
    }

    func place(of gateway: Int) -> Int { gateways.firstIndex(of: gateway) ?? standsInFor }
    func end(of gateway: Int) -> EndPlan { ends[place(of: gateway)] }
    func other(than gateway: Int) -> Int { gateways[1 - place(of: gateway)] }

    /// All that can be at the other end.
    func others(than gateway: Int) -> [Int] {
        let place = place(of: gateway)
        return [gateways[1 - place]] + (place == standsInFor ? [] : standIns.sorted())
    }
}

/// One gateway's view of a peering.
package struct EndPlan: Sendable {
    var localIdentity: String
    var remoteIdentity: String
    var secret: String
    var ikeProposals: [String]
    var encapsulation: String
    /// Seconds.
    var liveness: Int
    var ikeLifetime: Int
    var keepalive: Int
    var firstRetransmission: Int
    var tries: Int
    /// Requests at once that it takes from the peer.
    var window: Int
    /// Octets of an IKE message from which on it is cut; nil: never.
    var fragmentSize: Int?
    /// Whether it has the peer's address, and so may begin.
    var knowsPeer: Bool
    /// Whether it asks for tickets and gives them (RFC 5723).
    var resumes = false
    /// By which it knows the peer instead of an address.
    var peerName: String?
    /// Whether it has MOBIKE, in the words of a configuration; nil: it says nothing of it.
    var mobike: String?
    /// Whether it goes where the peer sends it.
    var follows = true
}

package struct TunnelPlan: Sendable {
    package let name: String
    package var ends: [TunnelEndPlan]
    /// What is special about its selectors, for the coverage.
    var selectorForm: String?
    /// What the packet path does not carry, so that it is agreed on only.
    var carriage: Carriage?

    /// Pairs of SAs that it has at rest: one for the rest, and one for each class of either end, which
    /// have the same classes where both have any.
    var pairCount: Int { 1 + (ends.map(\.classes.count).max() ?? 0) }
}

package enum Carriage: String, CaseIterable, Sendable {
    case header = "AH"
    case transport = "transport mode"
    case headerInTransport = "AH in transport mode"

    var hasHeader: Bool { self != .transport }
    var isTransport: Bool { self != .header }
}

package struct TunnelEndPlan: Sendable {
    var local: [SelectorPlan]
    var remote: [SelectorPlan]
    var espProposals: [String]
    /// Of AH.
    var headerProposals: [String] = []
    var isTransport = false
    /// Sets of DSCPs whose packets have SAs of their own.
    var classes: [[UInt8]] = []
    var start: String
    /// Seconds.
    var lifetime: Int
    var lifetimePackets: Int?
    /// Taken out of the configuration for a while.
    var isRemoved = false
}

/// A network with a protocol and a port, as a configuration names it; zero is any.
package struct SelectorPlan: Sendable, Equatable {
    var network: IPPrefix
    /// Addresses of the network that do not belong to it, at either end.
    var leftOutBefore = 0
    var leftOutBehind = 0
    var ipProtocol: UInt8 = 0
    var port: UInt16 = 0

    var first: UInt128 { network.first.bits + UInt128(leftOutBefore) }
    var last: UInt128 { network.last.bits - UInt128(leftOutBehind) }

    var text: String {
        let isRange = leftOutBefore + leftOutBehind > 0
        let addresses = isRange ? "\(address(first))-\(address(last))" : "\(network)"
        guard ipProtocol != 0 else { return "\"\(addresses)\"" }
        let names: [UInt8: String] = [6: "tcp", 17: "udp", 132: "sctp"]
        let name = names[ipProtocol] ?? "\(ipProtocol)"
        return port == 0 ? "\"\(addresses)[\(name)]\"" : "\"\(addresses)[\(name)/\(port)]\""
    }

    /// An address within, to send from or to.
    func host(_ number: Int) -> IPAddress {
        address(first + UInt128(first == last ? 0 : number))
    }

    private func address(_ bits: UInt128) -> IPAddress {
        IPAddress(version: network.version, bits: bits)
    }
}

/// The one thing in which two ends of a peering differ.
package enum Mismatch: String, CaseIterable, Sendable {
    case none
    case secret
    case ikeEncryption = "ike-encryption"
    case ikePRF = "ike-prf"
    case ikeIntegrity = "ike-integrity"
    case ikeKeyExchange = "ike-key-exchange"
    case espEncryption = "esp-encryption"
    case espIntegrity = "esp-integrity"
    case espSequenceNumbers = "esp-sequence-numbers"
    case localIdentity = "local-identity"
    case remoteIdentity = "remote-identity"
    case selectors
    /// AH at one end, ESP at the other.
    case header
    /// AH at both ends, and a NAT or UDP between them.
    case headerInUDP = "ah-in-udp"
    /// Transport mode at one end, tunnel mode at the other.
    case mode

    /// What is found in the proposals, secrets, identities and selectors of any tunnel.
    static let common = allCases.filter { ![.header, .headerInUDP, .mode].contains($0) }
}

/// Something that goes wrong at a time, in virtual nanoseconds.
package struct PlannedFault: Sendable {
    let number: Int
    var time: UInt64
    /// When it is over; for those that last.
    var end: UInt64
    var kind: FaultKind
}

package enum FaultKind: Sendable {
    /// Nothing passes from one gateway to another.
    case partition(from: Int, to: Int)
    /// Ends without a word and comes back without a memory, but for what is on its disk, if that
    /// is not lost too.
    case crash(Int, keepsState: Bool)
    /// Tells its peers, ends, and comes back.
    case restart(Int)
    /// A NAT box forgets its mappings.
    case rebind(Int)
    /// The public address changes: of the gateway, or of its NAT box.
    case move(Int)
    /// Fragments of IP packets are lost, all of them.
    case dropFragments(from: Int, to: Int)
    /// A bad time: so much more is lost.
    case burst(from: Int, to: Int, lossPerMille: Int)
    /// Somebody says `cygnet down` and, when it is over, `cygnet up`.
    case takeDown(Int, peering: Int, tunnel: Int)
    /// Somebody says `cygnet up`.
    case bringUp(Int, peering: Int, tunnel: Int)
    /// Its configuration changes: for good, or until the fault is over.
    case reload(Int, peering: Int, Change)
    /// The packet path asks both ends for successors of a tunnel's SAs at once.
    case wearOut(peering: Int, tunnel: Int)
    /// Both ends get another secret; this one, by its place, while it begins an IKE SA.
    case changeSecret(Int, peering: Int)
    /// A gateway with two ways into the network loses or gains one, or prefers the other.
    case roam(Int, Roaming)
    /// An end of a peering sends the other elsewhere.
    case redirect(Redirecting)

    /// What an operator writes otherwise.
    package enum Change: String, CaseIterable, Sendable {
        case liveness
        case lifetimes
        case proposals
        /// A tunnel is taken out, and put back when the fault is over.
        case tunnel
    }

    /// What becomes of the two ways; when the fault is over, the first is there and preferred.
    package enum Roaming: String, CaseIterable, Sendable {
        /// The second is there besides.
        case gain
        /// The second is preferred, and for the first half of the time the first is there too.
        case handOver = "hand-over"
        /// The first goes, the second comes; and back.
        case jump
        /// Neither is there.
        case outage
        /// The first passes nothing any more, and nobody says so; the second is there.
        case silence
    }

    var name: String {
        switch self {
        case .partition: "partition"
        case .crash(_, let keepsState): keepsState ? "crash with state" : "crash"
        case .restart: "restart"
        case .rebind: "rebind"
        case .move: "move"
        case .dropFragments: "drop fragments"
        case .burst: "burst"
        case .takeDown: "take-down"
        case .bringUp: "bring-up"
        case .wearOut: "wear-out"
        case .reload: "reload"
        case .changeSecret: "change of a secret"
        case .redirect(let plan): "redirect: \(plan.course.rawValue)"
        case .roam(_, let roaming): "roaming: \(roaming.rawValue)"
        }
    }
}
