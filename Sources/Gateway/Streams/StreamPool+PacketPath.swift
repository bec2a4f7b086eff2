internal import DataPlane
internal import IKEProtocol
internal import LinuxIO

// Connections that Child SAs go by (RFC 9329 §6.1): the packet path has them, in the middle of the
// stream, and IKE goes through it.
extension StreamPool {
    /// An IKE SA whose authentic message came along this connection has Child SAs: the packet path
    /// carries it from now on. Nothing happens where it does already, or where it is gone.
    func carry(_ ends: StreamEnds) {
        guard let stream = streams[ends], stream.stage == .open, stream.carried == nil else {
            return
        }
        lastNumber += 1
        let number = StreamNumber(rawValue: lastNumber)
        ceaseToWatch(stream)
        carried[number] = ends
        onCommand?(.adopt(stream.giveAway(as: number)))
    }

    /// What the packet path says of them.
    func received(_ message: [UInt8], along number: StreamNumber) {
        guard let ends = carried[number] else { return }
        take(message, from: ends)
    }

    func ended(_ number: StreamNumber, _ ending: StreamEnding) {
        guard let ends = carried.removeValue(forKey: number), let stream = streams[ends] else {
            return
        }
        switch ending {
        case .closed, .refused, .overload: break
        case .fault: counters.faults += 1
        case .outOfStep: counters.outOfStep += 1
        case .slowReader: counters.slowReaders += 1
        }
        end(stream)
    }
}
