internal import ConnectionControl
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
