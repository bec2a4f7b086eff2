import IKEProtocol
import IPsecPrimitives

/// The network between the two ends of a dialogue: who has which addresses, which ways are cut, and
/// the NATs.
final class Terrain {
    /// Addresses that each end has at the moment.
    var left: Set<IPAddress>
    var right: Set<IPAddress>
    /// A NAT before the left end, before the right end.
    var leftNAT: NATBox?
    /// A second one before that.
    var leftOuterNAT: NATBox?
    var rightNAT: NATBox?
    /// Whether a datagram, as its sender made it, is lost on the way.
    var isLost: (IKEDatagram) -> Bool = { _ in false }
    private(set) var lost = 0
    /// The routing tables: the local address that each end takes towards anything; nil: no route.
    var leftRoute: IPAddress?
    var rightRoute: IPAddress?
    private unowned let dialogue: Dialogue

    init(_ dialogue: Dialogue, left: [String] = ["192.0.2.1"], right: [String] = ["192.0.2.2"]) {
        self.dialogue = dialogue
        self.left = Set(left.compactMap { IPAddress($0) })
        self.right = Set(right.compactMap { IPAddress($0) })
        leftRoute = IPAddress(left[0])
        rightRoute = IPAddress(right[0])
        dialogue.directedLink = { [self] datagram, isFromLeft in
            carry(datagram, isFromLeft: isFromLeft)
        }
        dialogue.left.onRoute = { [self] remote in
            dialogue.handle(
                .routeFound(remote: remote, local: leftRoute),
                at: dialogue.left
            )
        }
        dialogue.right.onRoute = { [self] remote in
            dialogue.handle(
                .routeFound(remote: remote, local: rightRoute),
                at: dialogue.right
            )
        }
    }

    /// Tells both ends which addresses they have.
    func announce() {
        tell(dialogue.left, left)
        tell(dialogue.right, right)
    }

    private func tell(_ party: Party, _ addresses: Set<IPAddress>) {
        let sorted = addresses.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        dialogue.handle(.localAddressesChanged(sorted), at: party)
    }

    /// The left end loses all its addresses and gets others.
    func moveLeft(to addresses: [String]) {
        left = Set(addresses.compactMap { IPAddress($0) })
        leftRoute = addresses.first.flatMap { IPAddress($0) }
        tell(dialogue.left, left)
    }

    func moveRight(to addresses: [String]) {
        right = Set(addresses.compactMap { IPAddress($0) })
        rightRoute = addresses.first.flatMap { IPAddress($0) }
        tell(dialogue.right, right)
    }

    private func carry(_ datagram: IKEDatagram, isFromLeft: Bool) -> [IKEDatagram] {
        let (own, others) = isFromLeft ? (left, right) : (right, left)
        guard !isLost(datagram), own.contains(datagram.local.address) else { return drop() }
        var datagram = datagram
        if isFromLeft {
            leftNAT?.goOut(&datagram)
            leftOuterNAT?.goOut(&datagram)
            if rightNAT != nil, rightNAT?.comeIn(&datagram) == false { return drop() }
        } else {
            rightNAT?.goOut(&datagram)
            if leftOuterNAT != nil, leftOuterNAT?.comeIn(&datagram) == false { return drop() }
            if leftNAT != nil, leftNAT?.comeIn(&datagram) == false { return drop() }
        }
        return others.contains(datagram.remote.address) ? [datagram] : drop()
    }

    private func drop() -> [IKEDatagram] {
        lost += 1
        return []
    }
}

/// A NAT that gives each endpoint inside a port of its own outside, and lets in what comes back to
/// such a port, or to one that it forwards.
struct NATBox {
    let outside: IPAddress
    /// Ports outside that always lead to the same port of this address inside.
    var forwarding: IPAddress?
    private var nextPort: UInt16
    private var ports: [Endpoint: UInt16] = [:]

    init(outside: String, firstPort: UInt16 = 40_000, forwardingTo inside: String? = nil) {
        self.outside = IPAddress(outside)!
        nextPort = firstPort
        forwarding = inside.flatMap { IPAddress($0) }
    }

    /// Forgets its mappings, as a box does that restarts.
    mutating func rebind() {
        ports = [:]
        nextPort += 1000
    }

    mutating func goOut(_ datagram: inout IKEDatagram) {
        if datagram.local.address == forwarding {
            datagram.local.address = outside
            return
        }
        let port: UInt16
        if let known = ports[datagram.local] {
            port = known
        } else {
            port = nextPort
            ports[datagram.local] = port
            nextPort += 1
        }
        datagram.local = Endpoint(address: outside, port: port)
    }

    /// False when nothing inside is meant.
    mutating func comeIn(_ datagram: inout IKEDatagram) -> Bool {
        guard datagram.remote.address == outside else { return true }
        let port = datagram.remote.port
        if let inside = ports.first(where: { $0.value == port })?.key {
            datagram.remote = inside
            return true
        }
        guard let forwarding else { return false }
        datagram.remote.address = forwarding
        return true
    }
}
