internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO

/// Forged IKE_SA_INIT requests from ever new addresses of the loopback network, while tunnels are
/// up and a genuine peer connects. Bounded in time and rate.
package enum FloodBenchmark {
    /// What the flood did.
    package struct Measurement: Codable, Sendable {
        package var forgedPerSecond: Int
        package var seconds: Double
        /// Of those sent, in tunnels: before and after.
        package var tunnelsBefore: Int
        package var tunnelsAfter: Int
        /// From the wish to the established tunnel, in the midst of the flood.
        package var genuineSeconds: Double
        /// Of the responder, for one forged request.
        package var microsecondsEach: Double

        package var text: String {
            """
            \(forgedPerSecond) forged IKE_SA_INIT a second for \
            \(HandshakeMeasurement.rounded(seconds)) s: \(tunnelsAfter - 1) of \(tunnelsBefore) \
            tunnels kept, a genuine peer connected in \
            \(HandshakeMeasurement.rounded(genuineSeconds * 1000)) ms; a forged request cost the \
            responder \(HandshakeMeasurement.rounded(microsecondsEach, places: 2)) µs
            """
        }
    }

    package static func measure(
        _ suite: HandshakeSuite,
        rate: Int,
        seconds: Int,
        tunnels: Int,
        responderArguments arguments: [String]
    ) throws -> Measurement {
        let handshakes = try LoopbackHandshakes(
            suite,
            capacity: tunnels + 1,
            installs: false,
            responderArguments: arguments
        )
        try handshakes.run(tunnels)
        let before = try handshakes.responderUsage()
        var flood = try Flood(target: handshakes.responderEndpoint)
        let start = BootClock.now()
        var genuineBegan: Instant?
        var genuineTook: Double?
        while BootClock.now() - start < .seconds(seconds) {
            let elapsed = (BootClock.now() - start).inSeconds
            flood.send(upTo: Int(elapsed * Double(rate)))
            // The genuine peer comes when the flood has had a second to do its worst.
            if genuineBegan == nil, elapsed > 1 {
                genuineBegan = BootClock.now()
                handshakes.beginOne()
            }
            try handshakes.attend()
            if let began = genuineBegan, genuineTook == nil, handshakes.isDone {
                genuineTook = (BootClock.now() - began).inSeconds
            }
        }
        guard let genuineTook else {
            throw BenchmarkFailure(description: "the genuine peer did not get through")
        }
        let after = try handshakes.responderUsage()
        return Measurement(
            forgedPerSecond: flood.sent / seconds,
            seconds: (BootClock.now() - start).inSeconds,
            tunnelsBefore: before.live,
            tunnelsAfter: after.live,
            genuineSeconds: genuineTook,
            microsecondsEach: Double(after.microseconds - before.microseconds)
                / Double(max(flood.sent, 1))
        )
    }
}

/// Who sends the forged requests.
struct Flood {
    private let socket: UDPSocket
    private let target: Endpoint
    private var random = SeededRandomSource(seed: 50_000)
    private var message: [UInt8]
    private(set) var sent = 0

    init(target: Endpoint) throws {
        socket = try UDPSocket(
            bindingTo: Endpoint(address: .v4(IPv4Address(bits: 0)), port: 0),
            options: UDPSocket.Options(mark: nil)
        )
        self.target = target
        message = Flood.template
    }

    /// Sends until so many have been sent in all, but not more than a burst.
    mutating func send(upTo total: Int) {
        for _ in 0..<min(max(total - sent, 0), 200) {
            let number = random.next64()
            for index in 0..<8 {
                message[index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * index)) | 1
            }
            // 127.16.0.0 and above: nobody's but the loopback device's.
            let address = IPv4Address(bits: 0x7f10_0000 | UInt32(number >> 40) & 0xf_ffff)
            try? socket.send(message, from: .v4(address), to: target)
            sent += 1
        }
    }

    /// A request as any initiator begins it: proposal, key exchange and nonce.
    private static let template: [UInt8] = {
        var writer = ByteWriter(reserving: 256)
        writer.write([UInt8](repeating: 0, count: 16))
        writer.write([33, 0x20, 34, 0x08] as [UInt8])
        writer.write(UInt32(0))
        writer.write(UInt32(28 + 40 + 40 + 36))
        // SA: AES-256-GCM, HMAC-SHA-256, Curve25519.
        writer.write([34, 0, 0, 40, 0, 0, 0, 36, 1, 1, 0, 3] as [UInt8])
        writer.write([3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 1, 0] as [UInt8])
        writer.write([3, 0, 0, 8, 2, 0, 0, 5, 0, 0, 0, 8, 4, 0, 0, 31] as [UInt8])
        writer.write([40, 0, 0, 40, 0, 31, 0, 0] as [UInt8])
        writer.write([UInt8](repeating: 9, count: 32))
        writer.write([0, 0, 0, 36] as [UInt8])
        writer.write([UInt8](repeating: 7, count: 32))
        return writer.bytes
    }()
}
