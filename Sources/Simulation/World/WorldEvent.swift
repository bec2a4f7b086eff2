internal import ConnectionControl
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

/// What can happen in a world.
enum WorldEvent {
    case boot(Int)
    case timer(Int, deadline: UInt64)
    case arrival(WireDatagram)
    /// The packet path of one life of a gateway tells control something.
    case packetPath(Int, life: Int, PacketPathEvent)
    case pathMTU(Int, life: Int, remote: IPAddress, octets: Int)
    /// The DNS answers one life of a gateway.
    case lookup(Int, life: Int, name: String)
    case streamOpens(SimulatedStreams.Attempt, target: Int, there: Endpoint, remote: Endpoint)
    case streamArrival(Int, end: Int, isMessage: Bool, [UInt8])
    case streamCloses(Int, end: Int)
    case streamBreaks(Int)
    /// UDP between the gateways of a peering passes no more, or again.
    case udpBlock(peering: Int, Bool)
    /// One life of a gateway hears which addresses it has now.
    case addresses(Int, life: Int)
    /// One life of a gateway reads its configuration again.
    case reread(Int, life: Int)
    /// Half the time of a fault is over.
    case roamingHalf(Int)
    case probe(flow: Int)
    case faultBegins(Int)
    case faultEnds(Int)
    case attack(Int)
    /// Once a virtual second: what the daemon does by housekeeping, and what checkers look at.
    case housekeeping
    case calm
    case settled
    case closing
}

extension WorldEvent {
    var name: String {
        switch self {
        case .boot: "boot"
        case .timer: "timer"
        case .arrival: "arrival"
        case .packetPath: "packet path"
        case .pathMTU: "path MTU"
        case .lookup: "lookup"
        case .streamOpens: "stream opens"
        case .streamArrival: "stream arrival"
        case .streamCloses: "stream closes"
        case .streamBreaks: "stream breaks"
        case .udpBlock: "UDP block"
        case .addresses: "addresses"
        case .reread: "configuration read again"
        case .roamingHalf: "half of a hand-over"
        case .probe: "probe"
        case .faultBegins: "fault begins"
        case .faultEnds: "fault ends"
        case .attack: "attack"
        case .housekeeping: "housekeeping"
        case .calm: "calm"
        case .settled: "settled"
        case .closing: "closing"
        }
    }

    /// At which it happens, if it is one alone and known beforehand.
    var gateway: Int? {
        switch self {
        case .boot(let gateway), .timer(let gateway, _), .packetPath(let gateway, _, _),
            .pathMTU(let gateway, _, _, _), .lookup(let gateway, _, _),
            .addresses(let gateway, _), .reread(let gateway, _):
            gateway
        default: nil
        }
    }
}
