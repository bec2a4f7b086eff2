internal import Foundation
internal import Glibc
internal import LinuxIO
internal import PacketProtection
internal import Testing

@testable internal import DataPlane

@Suite("Rings between two threads")
struct HandOverTests {
    private static let count = 20_000

    /// A packet is known by its number.
    private static func packet(_ number: Int) -> [UInt8] {
        let octets = number % 997 == 0 ? 65_000 : 1 + number * 7919 % 1500
        return [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: octets)
    }

    private static func record(_ number: Int) -> HandOverRing.Record {
        var record = HandOverRing.Record(kind: number % 2 == 0 ? .frame : .datagram)
        record.device = UInt16(truncatingIfNeeded: number)
        return record
    }

    /// Every packet comes once, whole and in its order, whoever is faster.
    @Test func nothingIsLostOrChanged() {
        let ring = HandOverRing(octets: 1 << 18)
        let giver = Thread {
            for number in 0..<HandOverTests.count {
                let bytes = HandOverTests.packet(number)
                var isTaken = false
                while !isTaken {
                    isTaken = unsafe bytes.withUnsafeBytes {
                        unsafe ring.put(
                            $0.baseAddress!,
                            byteCount: $0.count,
                            HandOverTests.record(number)
                        )
                    }
                    if !isTaken { Thread.sleep(forTimeInterval: 0.0001) }
                }
            }
        }
        giver.start()
        var taken = 0
        var wrong = 0
        while taken < HandOverTests.count {
            guard let packet = unsafe ring.take() else {
                ring.release()
                Thread.sleep(forTimeInterval: 0.0001)
                continue
            }
            let bytes = unsafe UnsafeRawBufferPointer(start: packet.bytes, count: packet.byteCount)
            let isRight =
                unsafe Array(bytes) == HandOverTests.packet(taken)
                && packet.record == HandOverTests.record(taken)
            if !isRight { wrong += 1 }
            taken += 1
            // Sometimes one by one, sometimes many at once.
            if taken % 5 == 0 { ring.release() }
        }
        #expect(wrong == 0)
    }

    /// One descriptor wakes a worker for commands and for what other workers have for it.
    @Test func aWakeUpThatCommandsTookIsRepeated() throws {
        let wakeUp = try EventDescriptor()
        let channels = [
            try WorkerChannel(eventWakeUp: wakeUp), try WorkerChannel(eventWakeUp: wakeUp),
        ]
        let exchange = WorkerExchange(channels)
        let commands = channels[1].commands
        func isAwake() -> Bool {
            var entry = pollfd(fd: commands.descriptor, events: Int16(POLLIN), revents: 0)
            return unsafe poll(&entry, 1, 0) == 1
        }
        exchange.answer(1)
        exchange.wake(1 << 1)
        #expect(isAwake())
        commands.acknowledge()
        #expect(!isAwake())
        exchange.remind(1)
        #expect(isAwake())
        commands.acknowledge()
        exchange.answer(1)
        exchange.remind(1)
        #expect(!isAwake())
    }
}
