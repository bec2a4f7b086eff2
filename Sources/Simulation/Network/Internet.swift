internal import IKEProtocol
internal import IPsecPrimitives

/// What lies between the gateways: addresses, NAT boxes, and ways that are good or bad.
struct Internet {
    /// What becomes of one datagram: each copy with its delay in nanoseconds.
    struct Passage {
        /// At most two.
        var first: (datagram: WireDatagram, delay: UInt64)?
        var second: (datagram: WireDatagram, delay: UInt64)?
        /// It was longer than a link that cannot fragment it; octets that pass.
        var tooLongFor: Int?
        /// It was fragmented, and fragments do not arrive.
        var isFragmentLost = false
    }

    private(set) var addresses: [IPAddress]
    private var owners: [IPAddress: Int] = [:]
    private let isCrowd: Bool
    var boxes: [NATBox?]
    var second: [SecondWay?]
    private var conditions: [LinkConditions]
    private let count: Int
    /// Ways that nothing passes: from a gateway to another.
    private var blocked: [Int]
    /// Ways that no UDP and no ESP passes.
    private var withoutUDP: [Int]
    /// Per way, so that what one does leaves the others as they are.
    private var dice: [Dice]
    private(set) var isCalm = false

    init(_ scenario: Scenario) {
        count = scenario.gateways.count
        addresses = scenario.gateways.map(\.address)
        boxes = scenario.gateways.map { gateway in
            gateway.nat.map { NATBox($0, inside: gateway.address) }
        }
        second = scenario.gateways.map { $0.second.map(SecondWay.init) }
        isCrowd = scenario.isCrowd
        conditions = scenario.conditions
        blocked = Array(repeating: 0, count: isCrowd ? 1 : count * count)
        withoutUDP = blocked
        dice = (0..<blocked.count).map {
            Dice(seed: scenario.seed, stream: 0x1000_0000 + UInt64($0))
        }
        noteOwners()
    }

    private mutating func noteOwners() {
        owners = [:]
        for gateway in 0..<count {
            if second[gateway]?.isFirstUp ?? true { owners[publicAddress(of: gateway)] = gateway }
            if let second = second[gateway], second.isUp { owners[second.publicAddress] = gateway }
        }
    }

    private func way(_ source: Int, _ destination: Int) -> Int {
        isCrowd ? 0 : source * count + destination
    }

    /// The address at which others find a gateway.
    func publicAddress(of gateway: Int) -> IPAddress {
        boxes[gateway]?.publicAddress ?? addresses[gateway]
    }

    mutating func block(from source: Int, to destination: Int, _ isBlocked: Bool) {
        blocked[way(source, destination)] += isBlocked ? 1 : -1
    }

    mutating func blockUDP(_ one: Int, _ other: Int, _ isBlocked: Bool) {
        for way in [way(one, other), way(other, one)] { withoutUDP[way] += isBlocked ? 1 : -1 }
    }

    // MARK: TCP

    /// Where a connection to a port of a gateway's outside arrives; nil where a box lets none in.
    func wayIn(_ gateway: Int, port: UInt16) -> Endpoint? {
        guard boxes[gateway]?.forwards ?? true else { return nil }
        return Endpoint(address: addresses[gateway], port: port)
    }

    /// Nanoseconds to a gateway and back; nil where nothing passes.
    func roundTrip(_ source: Int, _ destination: Int) -> UInt64? {
        let ways = [way(source, destination), way(destination, source)]
        guard ways.allSatisfy({ blocked[$0] == 0 }) else { return nil }
        return ways.reduce(0) { $0 + conditions[$1].delay }
    }

    /// Nanoseconds until what is sent now along a connection arrives: what is lost is sent again by
    /// the system, which takes its time. Nil where it never does: nothing passes, or an end is not
    /// where it was.
    func streamDelay(
        _ source: Int,
        _ destination: Int,
        _ ends: StreamEnds,
        _ dice: inout Dice
    ) -> UInt64? {
        let link = conditions[way(source, destination)]
        guard roundTrip(source, destination) != nil, addresses[source] == ends.local.address
        else { return nil }
        var delay = link.delay
        var pause: UInt64 = .milliseconds(200)
        while dice.chance(perMille: min(link.lossPerMille + link.corruptionPerMille, 900)) {
            delay += pause
            pause *= 2
            if delay > .seconds(30) { return nil }
        }
        return delay
    }

    mutating func change(
        from source: Int,
        to destination: Int,
        _ body: (inout LinkConditions) -> Void
    ) {
        body(&conditions[way(source, destination)])
    }

    /// From now on nothing is lost, doubled or damaged.
    mutating func calm() {
        isCalm = true
        conditions = conditions.map(\.calmed)
    }

    /// Changes where a gateway is found: its own address, or that of its box.
    mutating func move(_ gateway: Int, to address: IPAddress) {
        if boxes[gateway] != nil {
            boxes[gateway]?.publicAddress = address
            boxes[gateway]?.rebind()
        } else {
            addresses[gateway] = address
        }
        noteOwners()
    }

    /// Ways into the network of a gateway that has two come or go.
    mutating func changeWays(of gateway: Int, _ body: (inout SecondWay) -> Void) {
        guard var second = second[gateway] else { return }
        body(&second)
        self.second[gateway] = second
        noteOwners()
    }

    /// The gateway whose way an outside address leads to; nil when nobody has it.
    func owner(of address: IPAddress) -> Int? {
        owners[address]
    }

    /// Sends what an attacker made; it comes in by the way of a gateway.
    mutating func carry(
        _ datagram: WireDatagram,
        from source: Int,
        to destination: Int
    ) -> Passage {
        let way = way(source, destination)
        let link = conditions[way]
        guard blocked[way] == 0, withoutUDP[way] == 0 else { return Passage() }
        var passage = Passage()
        if datagram.packetOctets > link.mtu {
            if datagram.isESP {
                passage.tooLongFor = link.mtu
                return passage
            }
            if link.dropsFragments {
                passage.isFragmentLost = true
                return passage
            }
        }
        let copies = dice[way].chance(perMille: link.duplicationPerMille) ? 2 : 1
        for number in 0..<copies {
            guard !dice[way].chance(perMille: link.lossPerMille) else { continue }
            var copy = datagram
            damage(&copy, link, way)
            if number == 0 {
                passage.first = (copy, delay(link, way))
            } else {
                passage.second = (copy, delay(link, way))
            }
        }
        return passage
    }

    private mutating func delay(_ link: LinkConditions, _ way: Int) -> UInt64 {
        var delay = link.delay
        if link.jitter > 0 { delay += dice[way].next() % link.jitter }
        if link.detour > 0, dice[way].chance(perMille: link.detourPerMille) {
            delay += dice[way].next() % link.detour
        }
        return delay
    }

    private mutating func damage(_ datagram: inout WireDatagram, _ link: LinkConditions, _ way: Int)
    {
        guard !datagram.bytes.isEmpty else { return }
        if dice[way].chance(perMille: link.corruptionPerMille) {
            let place = dice[way].below(datagram.bytes.count)
            datagram.bytes[place] ^= UInt8(1 << dice[way].below(8))
        }
        if dice[way].chance(perMille: link.truncationPerMille) {
            datagram.bytes.removeLast(dice[way].within(1...datagram.bytes.count) - 1)
        }
    }
}
