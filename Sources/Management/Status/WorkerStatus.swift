/// What one thread of the packet path has done since the gateway started.
package struct WorkerStatus: Codable, Equatable, Sendable {
    /// Counted from zero.
    package var number: Int
    /// The processor that it is kept on.
    package var processor: Int?
    /// Reads of TUN devices, each of which may hold many segments, and their octets.
    package var read: TrafficCount
    package var written: TrafficCount
    /// Datagrams sent through its sockets.
    package var sent: TrafficCount
    /// Buffers received, each of which may hold many datagrams.
    package var received: TrafficCount
    /// Packets that it read or received and gave to the worker with the SA for them.
    package var handedOver: UInt64
    /// Packets that others gave to it.
    package var takenOver: UInt64
    /// Packets that other threads sealed or opened for it.
    package var helped: UInt64

    package init(
        number: Int,
        processor: Int?,
        read: TrafficCount,
        written: TrafficCount,
        sent: TrafficCount,
        received: TrafficCount,
        handedOver: UInt64,
        takenOver: UInt64,
        helped: UInt64 = 0
    ) {
        self.number = number
        self.processor = processor
        self.read = read
        self.written = written
        self.sent = sent
        self.received = received
        self.handedOver = handedOver
        self.takenOver = takenOver
        self.helped = helped
    }
}
