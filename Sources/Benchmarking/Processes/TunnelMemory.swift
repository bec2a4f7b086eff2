/// What established tunnels keep of memory, ESP not counted, and what they take of a core.
package struct TunnelMemory: Codable, Sendable {
    /// Seconds between two signs of life in the share that is told.
    private static let livenessInterval = 300.0

    package var tunnels: Int
    /// Resident bytes a tunnel; at the initiator without its configuration.
    package var initiatorBytes: Int
    package var responderBytes: Int
    /// Of a core, while nothing happens at all.
    package var idlePercent: Double
    /// CPU of one exchange for a sign of life at either end.
    package var askingMicroseconds: Double
    package var answeringMicroseconds: Double
    /// Of a core, at the dearer end, were each tunnel asked for a sign of life every 300 s.
    package var livenessPercent: Double

    init(
        tunnels: Int,
        initiatorBytes: Int,
        responderBytes: Int,
        idlePercent: Double,
        livenessMicroseconds: (asking: Double, answering: Double)
    ) {
        self.tunnels = tunnels
        self.initiatorBytes = initiatorBytes
        self.responderBytes = responderBytes
        self.idlePercent = idlePercent
        askingMicroseconds = livenessMicroseconds.asking
        answeringMicroseconds = livenessMicroseconds.answering
        let dearer = max(askingMicroseconds, answeringMicroseconds)
        livenessPercent = dearer * Double(tunnels) / TunnelMemory.livenessInterval / 10_000
    }

    package var text: String {
        """
        \(tunnels) tunnels, an IKE SA and a Child SA each, without ESP: \
        \(responderBytes) bytes a tunnel at the responder, \(initiatorBytes) at the initiator
          at rest: \(HandshakeMeasurement.rounded(idlePercent, places: 2)) % of a core; a sign of \
        life costs \(HandshakeMeasurement.rounded(askingMicroseconds)) µs to ask for and \
        \(HandshakeMeasurement.rounded(answeringMicroseconds)) µs to give, every 300 s in each \
        \(HandshakeMeasurement.rounded(livenessPercent, places: 2)) % of a core
        """
    }
}
