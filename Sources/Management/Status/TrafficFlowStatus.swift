/// What a pair of SAs does against the analysis of its traffic. Members that do not apply are left out.
package struct TrafficFlowStatus: Codable, Equatable, Sendable {
    /// Bytes that hide lengths, sent.
    package var paddingBytes: UInt64
    /// Packets without content, sent.
    package var dummiesSent: UInt64?
    package var train: TrainStatus?

    package init(paddingBytes: UInt64, dummiesSent: UInt64? = nil, train: TrainStatus? = nil) {
        self.paddingBytes = paddingBytes
        self.dummiesSent = dummiesSent
        self.train = train
    }
}

/// IP-TFS in both directions (RFC 9347).
package struct TrainStatus: Codable, Equatable, Sendable {
    /// Packets of the train since it began; rekeys do not count.
    package var sent: UInt64
    /// Packets that were left out because the gateway came too late.
    package var leftOut: UInt64
    /// From a packet of the train to the next, on average.
    package var intervalSeconds: Double
    /// What has left by the train.
    package var carried: TrafficCount
    /// What waits to leave.
    package var waiting: TrafficCount
    /// Inner packets that found the queue full.
    package var refused: UInt64
    /// How long the inner packet that left last had waited, and the longest that one did.
    package var delaySeconds: Double
    package var longestDelaySeconds: Double
    /// Inner packets that came out of the peer's train.
    package var unpacked: UInt64
    /// Bytes of padding in the peer's train.
    package var receivedPaddingBytes: UInt64
    /// Packets of the peer's train that did not come, or too late.
    package var missing: UInt64
    /// Inner packets that were lost with them, as far as is known.
    package var incomplete: UInt64

    package init(
        sent: UInt64,
        leftOut: UInt64,
        intervalSeconds: Double,
        carried: TrafficCount,
        waiting: TrafficCount,
        refused: UInt64,
        delaySeconds: Double,
        longestDelaySeconds: Double,
        unpacked: UInt64,
        receivedPaddingBytes: UInt64,
        missing: UInt64,
        incomplete: UInt64
    ) {
        self.sent = sent
        self.leftOut = leftOut
        self.intervalSeconds = intervalSeconds
        self.carried = carried
        self.waiting = waiting
        self.refused = refused
        self.delaySeconds = delaySeconds
        self.longestDelaySeconds = longestDelaySeconds
        self.unpacked = unpacked
        self.receivedPaddingBytes = receivedPaddingBytes
        self.missing = missing
        self.incomplete = incomplete
    }
}
