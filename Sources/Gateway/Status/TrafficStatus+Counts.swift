internal import Configuration
internal import ConnectionControl
internal import Management
internal import PacketProtection

extension TrafficStatus {
    /// What each limit let pass so far; nil where there is none.
    static func all(
        _ owners: [TrafficOwner],
        _ counts: [TrafficShaperCounts]
    ) -> [TrafficStatus]? {
        guard !owners.isEmpty else { return nil }
        let known = Dictionary(
            counts.map { ($0.identifier, $0.classes) },
            uniquingKeysWith: { first, _ in first }
        )
        return owners.map { owner in
            let counted = known[owner.shaper.identifier] ?? []
            return TrafficStatus(
                name: owner.name,
                rate: owner.rate,
                classes: owner.classes.enumerated().map { index, category in
                    // The packet path may not have a class yet that was just added.
                    TrafficClassStatus(
                        category,
                        counted.count == owner.classes.count
                            ? counted[index] : TrafficClassCounts()
                    )
                }
            )
        }
    }
}

extension TrafficClassStatus {
    init(_ category: TrafficClassConfiguration, _ counts: TrafficClassCounts) {
        let drops = [
            (DropReason.classQueueFull, counts.droppedFull),
            (.classDelay, counts.droppedDelay),
            (.classExpired, counts.droppedExpired),
        ].filter { $0.1 > 0 }.map { DropCount(reason: "\($0.0)", packets: $0.1) }
        self.init(
            name: category.name.value,
            priority: category.priority,
            weight: category.weight,
            rate: category.rate.value,
            sent: TrafficCount(packets: counts.sentPackets, bytes: counts.sentOctets),
            waiting: TrafficCount(
                packets: UInt64(max(counts.waitingPackets, 0)),
                bytes: UInt64(max(counts.waitingOctets, 0))
            ),
            drops: drops.isEmpty ? nil : drops,
            delaySeconds: Double(counts.meanDelay) / 1e9,
            longestDelaySeconds: Double(counts.longestDelay) / 1e9
        )
    }
}
