internal import DataPlane
internal import IKEMessages
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO

/// One TCP connection of the gateway.
final class GatewayStream {
    enum Stage: Equatable {
        /// We open it, and wait.
        case opening(StreamAttempt)
        case open
        /// To be closed as soon as what was sent is out.
        case closing
    }

    let connection: TCPConnection
    let ends: StreamEnds
    /// Whether the other end opened it.
    let isIncoming: Bool
    var stage: Stage
    /// Set while the packet path carries it.
    private(set) var carried: StreamNumber?
    private var reader: StreamReader
    private var output: [UInt8] = []
    /// Since when no IKE SA goes by it, or it is to be closed.
    var unusedSince: Instant

    var number: Int32 { connection.number }

    init(_ connection: TCPConnection, isIncoming: Bool, stage: Stage, at now: Instant) {
        self.connection = connection
        self.isIncoming = isIncoming
        self.stage = stage
        ends = StreamEnds(local: connection.local, remote: connection.remote)
        reader = StreamReader(expectsPrefix: isIncoming)
        unusedSince = now
    }

    var hasOutput: Bool { !output.isEmpty }

    /// Queues octets; false when more wait than one connection may have.
    func queue(_ octets: [UInt8], limit: Int) -> Bool {
        output += octets
        return output.count <= limit
    }

    /// Writes what the kernel takes; false when the connection is gone.
    func flush() -> Bool {
        while !output.isEmpty {
            guard let count = connection.write(output[...]) else { return false }
            if count == 0 { return true }
            output.removeFirst(count)
        }
        return true
    }

    enum Reading {
        /// `next` may have something.
        case octets
        case nothing
        case ended
    }

    func read() -> Reading {
        switch connection.read() {
        case .wouldBlock: return .nothing
        // RFC 9329 §6.1: what has come of a message by then is discarded.
        case .closed: return .ended
        case .bytes(let bytes):
            reader.append(bytes)
            return .octets
        }
    }

    /// The next that is complete of what has come. After a fault nothing can be read any more.
    func next() throws(StreamFault) -> StreamFraming.Content? { try reader.next() }

    /// Leaves reading and writing to the packet path, from exactly here on.
    func giveAway(as number: StreamNumber) -> StreamParcel {
        let parcel = StreamParcel(
            number: number,
            connection: connection,
            received: reader.takePending(),
            unsent: output
        )
        output = []
        carried = number
        return parcel
    }
}
