internal import DataPlane
internal import Management

extension WorkerStatus {
    /// What each worker has done so far.
    static func all(_ snapshots: [DataPlaneSnapshot], _ plan: WorkerPlan) -> [WorkerStatus] {
        snapshots.enumerated().map { number, counts in
            WorkerStatus(
                number: number,
                processor: number < plan.processors.count ? plan.processors[number] : nil,
                read: TrafficCount(packets: counts.deviceReads, bytes: counts.deviceReadOctets),
                written: TrafficCount(
                    packets: counts.deviceWrites,
                    bytes: counts.deviceWriteOctets
                ),
                sent: TrafficCount(packets: counts.datagramsSent, bytes: counts.octetsSent),
                received: TrafficCount(packets: counts.receives, bytes: counts.octetsReceived),
                handedOver: counts.handedOver,
                takenOver: counts.takenOver,
                helped: counts.packetsHelped
            )
        }
    }
}
