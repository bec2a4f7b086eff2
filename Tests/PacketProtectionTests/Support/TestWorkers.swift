internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// A gateway of several workers, whose turns a test chooses.
final class TestWorkers {
    let workers: [TestGateway]
    private let arrivals: [[HandOverRing]]
    private let places: [WorkerPlace]

    init(
        _ count: Int,
        _ configuration: PacketPathConfiguration = PacketPathConfiguration()
    ) {
        let rings = (0..<count * count).map { place in
            place / count == place % count ? nil : HandOverRing(octets: 1 << 18)
        }
        places = (0..<count).map { WorkerPlace(index: $0, of: count) }
        workers = places.map { place in
            TestGateway(
                configuration,
                passages: WorkerPassages(
                    place: place,
                    rings: (0..<count).map { rings[place.index * count + $0] }
                )
            )
        }
        arrivals = (0..<count).map { worker in
            (0..<count).compactMap { rings[$0 * count + worker] }
        }
    }

    func apply(_ command: PacketPathCommand) {
        let place = places[0]
        switch command {
        case .installOutbound(let parameters):
            let home = (place.home(of: parameters.policy) + parameters.resource) % place.count
            workers[home].apply(command)
        case .installInbound(let parameters):
            workers[place.owner(of: parameters.spi)].apply(command)
        default: for worker in workers { worker.apply(command) }
        }
    }

    /// What a worker makes of what others gave to it.
    func takeArrivals(at worker: Int) -> (runs: [SentRun], frames: [[UInt8]]) {
        let gateway = workers[worker]
        for ring in arrivals[worker] {
            while let packet = unsafe ring.take() {
                switch unsafe packet.record.kind {
                case .frame: unsafe gateway.outbound.takeHandedOver(packet, at: gateway.now)
                case .datagram, .streamed:
                    unsafe gateway.inbound.takeHandedOver(packet, at: gateway.now)
                case .sealed: Issue.record("no processor gives sealed packets away")
                }
            }
        }
        let result = (gateway.flush(), gateway.openAll())
        for ring in arrivals[worker] { ring.release() }
        return result
    }

    func takeAllArrivals() -> (runs: [SentRun], frames: [[UInt8]]) {
        let all = workers.indices.map { takeArrivals(at: $0) }
        return (all.flatMap(\.runs), all.flatMap(\.frames))
    }
}
