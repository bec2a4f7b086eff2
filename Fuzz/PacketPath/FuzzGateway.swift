package import IPsecPrimitives
package import PacketProtection

/// The sanitizer's own calls: a read buffer is far longer than what was read into it.
@_silgen_name("__asan_poison_memory_region")
private func poison(_ start: UnsafeRawPointer, _ count: Int)
@_silgen_name("__asan_unpoison_memory_region")
private func unpoison(_ start: UnsafeRawPointer, _ count: Int)

/// Both directions of one gateway, used again for every input: what one leaves behind is removed
/// before the next.
package final class FuzzGateway {
    private var outbound: OutboundProcessor
    private var inbound: InboundProcessor
    private var installed: [SAIdentifier] = []
    package private(set) var now = Instant(nanoseconds: 1_000_000_000)

    /// What the last batch of reads wrote back to the device.
    package private(set) var answers: [DeviceFrame] = []

    package init(coalescesTCP: Bool = false) {
        var configuration = PacketPathConfiguration()
        configuration.maximumSAs = 4
        configuration.flowCacheEntries = 16
        configuration.coalescesTCP = coalescesTCP
        configuration.errorSourceV6 = IPv6Address("fd00:1::1")
        outbound = OutboundProcessor(configuration)
        inbound = InboundProcessor(configuration)
    }

    /// Installs what an input asks for; every packet from now on is its first.
    package func begin(_ commands: [PacketPathCommand]) {
        // Old enough for every limit on rates to have room again.
        wait(.seconds(60))
        for identifier in installed {
            outbound.apply(.removeSA(identifier), at: now)
            inbound.apply(.removeSA(identifier), at: now)
        }
        installed = []
        for command in commands {
            switch command {
            case .installOutbound(let parameters): installed.append(parameters.identifier)
            case .installInbound(let parameters): installed.append(parameters.identifier)
            default: break
            }
            apply(command)
        }
        let failures = (outbound.takeEvents() + inbound.takeEvents()).filter {
            if case .commandFailed = $0 { true } else { false }
        }
        precondition(failures.isEmpty, "\(failures)")
    }

    package func apply(_ command: PacketPathCommand) {
        if command.direction != .inbound { outbound.apply(command, at: now) }
        if command.direction != .outbound { inbound.apply(command, at: now) }
    }

    package func wait(_ duration: Duration) { now = now + duration }

    // MARK: From the network

    /// What became of one batch from the network.
    package struct Received {
        package var frames: [DeviceFrame] = []
        /// Octets of each control datagram.
        package var control: [Int] = []
        package var drops: [UInt64]

        package func dropped(_ reason: DropReason) -> Int { Int(drops[Int(reason.rawValue)]) }
        package var dropCount: Int { drops.reduce(0) { $0 + Int($1) } }
    }

    /// How a buffer is handed to the processor.
    package typealias Arrival = (
        inout InboundProcessor, UnsafeMutableRawBufferPointer, Instant
    ) -> Void

    /// Receives buffers that end where their memory does, as one batch.
    ///
    /// - Parameter givesUp: whether what waits for something is waited for no longer.
    package func receive(
        _ buffers: [[UInt8]],
        givesUp: Bool = false,
        _ take: Arrival
    ) -> Received {
        let before = inbound.snapshot().drops
        var areas = unsafe [UnsafeMutableRawBufferPointer]()
        defer { unsafe areas.forEach { unsafe $0.deallocate() } }
        for bytes in buffers {
            let area = UnsafeMutableRawBufferPointer.allocate(
                byteCount: bytes.count,
                alignment: 1
            )
            unsafe bytes.withUnsafeBytes { unsafe area.copyMemory(from: $0) }
            unsafe areas.append(area)
            unsafe take(&inbound, area, now)
        }
        inbound.open(at: now)
        if givesUp { giveUp() }
        var result = Received(drops: zip(inbound.snapshot().drops, before).map { $0 - $1 })
        result.frames = unsafe inbound.deviceWrites.map { write in
            unsafe DeviceFrame(octets(inbound.deviceBytes, write.offset, write.byteCount))
        }
        let control = unsafe inbound.controlDatagrams
        for index in 0..<control.count {
            // Reading every octet is what finds one that is not ours.
            result.control.append(unsafe Array(control[index].bytes).count)
        }
        inbound.reset()
        return result
    }

    /// Waits until nothing is waited for any more.
    private func giveUp() {
        while inbound.nextDue < .max {
            now = Instant(nanoseconds: max(now.nanoseconds, inbound.nextDue))
            inbound.giveUpDue(at: now)
        }
        inbound.open(at: now)
    }

    // MARK: From the device

    /// One datagram for the network, and what the system is told about it.
    package struct Sent {
        package var bytes: [UInt8]
        package var run: DatagramRun
    }

    /// Reads frames, and gives what leaves in batches to `take`.
    package func read(_ frames: [[UInt8]], _ take: ([Sent]) -> Void) {
        for frame in frames {
            let area = unsafe outbound.readBuffer
            let count = min(frame.count, area.count)
            unsafe frame.withUnsafeBytes {
                unsafe area.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(count)))
            }
            let rest = unsafe UnsafeRawPointer(area.baseAddress! + count)
            unsafe poison(rest, area.count - count)
            outbound.processRead(byteCount: count, at: now)
            unsafe unpoison(rest, area.count - count)
            if !outbound.hasRoom { take(seal()) }
        }
        take(seal())
    }

    /// What was dropped on the way out since the beginning of time, by reason.
    package func outboundDrops(_ reason: DropReason) -> Int {
        Int(outbound.snapshot().dropCount(reason))
    }

    package var outboundDropCount: Int {
        outbound.snapshot().drops.reduce(0) { $0 + Int($1) }
    }

    package func takeOutboundEvents() -> [PacketPathEvent] { outbound.takeEvents() }

    private func seal() -> [Sent] {
        outbound.seal(at: now)
        var result: [Sent] = []
        for index in unsafe outbound.runs.indices {
            let run = unsafe outbound.runs[index]
            precondition(run.byteCount <= run.segmentSize * run.count)
            precondition(run.count == 0 || run.byteCount > run.segmentSize * (run.count - 1))
            for datagram in 0..<run.count {
                let offset = datagram * run.segmentSize
                let size = min(run.segmentSize, run.byteCount - offset)
                let bytes = unsafe octets(outbound.datagrams, run.offset + offset, size)
                result.append(Sent(bytes: bytes, run: run))
            }
        }
        answers = unsafe outbound.deviceWrites.map { write in
            unsafe DeviceFrame(octets(outbound.deviceBytes, write.offset, write.byteCount))
        }
        outbound.reset()
        return result
    }
}

private func octets(_ base: UnsafeMutableRawPointer, _ offset: Int, _ count: Int) -> [UInt8] {
    unsafe Array(UnsafeRawBufferPointer(start: base + offset, count: count))
}
