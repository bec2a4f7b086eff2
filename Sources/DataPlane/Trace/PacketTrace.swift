package import PacketProtection

/// Packets as the workers tell of them, for one who looks; ended by `DataPlane.end`.
package final class PacketTrace {
    let identifier: UInt64
    /// One a worker.
    let rings: [TraceRing]

    init(identifier: UInt64, rings: [TraceRing]) {
        self.identifier = identifier
        self.rings = rings
    }

    /// Takes up to `limit` records out, of each worker in the order of its decisions, and no more of a
    /// worker once its share of `octets` of packets is reached.
    package func take(
        limit: Int,
        octets: Int,
        _ use: (_ worker: Int, TraceRing.Entry) -> Void
    ) {
        for (worker, ring) in rings.enumerated() {
            var left = limit / rings.count
            var octetsLeft = octets / rings.count
            while left > 0, octetsLeft > 0, let entry = ring.next() {
                use(worker, entry)
                left -= 1
                octetsLeft -= entry.octets.count
            }
        }
    }

    /// Records for which there was no room, since the beginning.
    package var lost: Int { rings.reduce(0) { $0 + $1.lostRecords } }
    /// Packets beyond `TraceFilter.perSecond`, since the beginning.
    package var beyondRate: Int { rings.reduce(0) { $0 + $1.recordsBeyondRate } }
}

extension DataPlane {
    /// Room for what happens between two looks; for captures more, because packets are larger.
    private static let ringOctets = 1 << 18
    private static let captureRingOctets = 1 << 22

    /// Has the workers tell of packets from the next batch on.
    package func beginTrace(_ filter: TraceFilter) -> PacketTrace {
        lastTrace += 1
        let size =
            filter.captureOctets > 0 ? DataPlane.captureRingOctets : DataPlane.ringOctets
        // A ring has one writer: each worker has its own.
        let rings = channels.map { channel in
            let ring = TraceRing(octets: size)
            let tap = TraceTap(identifier: lastTrace, filter: filter, sink: ring)
            channel.post(.packetPath(.beginTrace(tap)))
            return ring
        }
        return PacketTrace(identifier: lastTrace, rings: rings)
    }

    package func end(_ trace: PacketTrace) {
        post(.packetPath(.endTrace(trace.identifier)))
    }
}
