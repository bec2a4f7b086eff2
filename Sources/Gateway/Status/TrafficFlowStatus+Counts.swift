internal import Management
internal import PacketProtection

extension TrafficFlowStatus {
    /// Nil where the pair does nothing against the analysis of traffic.
    init?(outbound: TrafficFlowCounts?, inbound: TrafficFlowCounts?) {
        guard let outbound else { return nil }
        self.init(
            paddingBytes: outbound.paddingOctets,
            dummiesSent: outbound.train == nil ? outbound.dummies : nil,
            train: outbound.train.map { TrainStatus($0, inbound) }
        )
    }
}

extension TrainStatus {
    fileprivate init(_ train: TrainCounts, _ inbound: TrafficFlowCounts?) {
        let unpacking = inbound?.unpacking
        self.init(
            sent: train.sent,
            leftOut: train.leftOut,
            intervalSeconds: Double(train.interval) / 1e9,
            carried: TrafficCount(packets: train.packets, bytes: train.octets),
            waiting: TrafficCount(
                packets: UInt64(clamping: train.waitingPackets),
                bytes: UInt64(clamping: train.waitingOctets)
            ),
            refused: train.refused,
            delaySeconds: Double(train.lastDelay) / 1e9,
            longestDelaySeconds: Double(train.longestDelay) / 1e9,
            unpacked: unpacking?.packets ?? 0,
            receivedPaddingBytes: inbound?.paddingOctets ?? 0,
            missing: unpacking?.missing ?? 0,
            incomplete: unpacking?.incomplete ?? 0
        )
    }
}
