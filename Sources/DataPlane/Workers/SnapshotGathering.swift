internal import PacketProtection

/// Makes one snapshot of those that several workers give for one query.
struct SnapshotGathering {
    private struct Key: Hashable {
        var token: UInt64
        var isOutbound: Bool
    }

    /// Queries that may be on their way; older ones were lost with a mailbox that was full.
    private static let maximum = 64

    private let count: Int
    private var parts: [Key: (sum: PacketPathSnapshot, workers: Int)] = [:]

    init(workers count: Int) { self.count = count }

    /// The snapshot of all workers, once the last has given its own.
    mutating func add(_ snapshot: PacketPathSnapshot, token: UInt64) -> PacketPathSnapshot? {
        guard count > 1 else { return snapshot }
        let key = Key(token: token, isOutbound: snapshot.isOutbound)
        var part = parts.removeValue(forKey: key)
        if part == nil {
            part = (snapshot, 1)
        } else {
            part?.sum.add(snapshot)
            part?.workers += 1
        }
        guard let part else { return nil }
        if part.workers == count { return part.sum }
        if parts.count >= SnapshotGathering.maximum,
            let oldest = parts.keys.min(by: { $0.token < $1.token })
        {
            parts[oldest] = nil
        }
        parts[key] = part
        return nil
    }
}
