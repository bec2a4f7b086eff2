/// What one suite cost.
package struct HandshakeMeasurement: Codable, Sendable {
    package var suite: String
    /// `one process`, or `two processes`.
    package var arrangement: String
    package var handshakes: Int
    package var perSecond: Double
    /// CPU of one handshake in microseconds; between processes, of user and system.
    package var initiatorMicroseconds: Double
    package var responderMicroseconds: Double
    /// Of it, what the key exchanges alone take at either end, measured apart.
    package var primitivesMicroseconds: Double
    /// Per tenth of the handshakes, in order: what the responder spent on one, in microseconds.
    package var responderTenths: [Double]
    package var seconds: Double

    package var text: String {
        let tenths = responderTenths.map { "\(HandshakeMeasurement.rounded($0))" }
        return """
            \(suite), \(arrangement): \(Int(perSecond)) handshakes a second, \
            \(handshakes) in \(HandshakeMeasurement.rounded(seconds, places: 2)) s
              CPU a handshake: initiator \
            \(HandshakeMeasurement.rounded(initiatorMicroseconds)) µs, responder \
            \(HandshakeMeasurement.rounded(responderMicroseconds)) µs, the key exchange alone \
            \(HandshakeMeasurement.rounded(primitivesMicroseconds)) µs; responder by tenths: \
            \(tenths.joined(separator: " "))
            """
    }

    static func rounded(_ value: Double, places: Int = 1) -> Double {
        let factor = places == 1 ? 10.0 : 100.0
        return (value * factor).rounded() / factor
    }
}

/// Why nothing was measured.
package struct BenchmarkFailure: Error, CustomStringConvertible {
    package let description: String
}
