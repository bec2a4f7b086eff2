internal import Foundation

/// The second process, seen from the first.
final class ResponderProcess {
    struct Usage {
        let microseconds: Int
        let residentBytes: Int
        /// Established IKE SAs.
        let live: Int
    }

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var pending: [UInt8] = []
    let port: UInt16

    /// - Parameter arguments: that make this program the responder.
    init(arguments: [String]) throws(BenchmarkFailure) {
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe")
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        do {
            try process.run()
        } catch {
            throw BenchmarkFailure(description: "the second process did not start: \(error)")
        }
        let words = ResponderProcess.line(of: output, &pending).split(separator: " ")
        guard words.first == "ready", words.count == 2, let port = UInt16(words[1]) else {
            process.terminate()
            throw BenchmarkFailure(description: "the second process did not get ready")
        }
        self.port = port
    }

    func usage() throws(BenchmarkFailure) -> Usage {
        input.fileHandleForWriting.write(Data("mark\n".utf8))
        let words = ResponderProcess.line(of: output, &pending).split(separator: " ")
        guard words.first == "used", words.count == 4, let time = Int(words[1]),
            let bytes = Int(words[2]), let live = Int(words[3])
        else { throw BenchmarkFailure(description: "the second process ended") }
        return Usage(microseconds: time, residentBytes: bytes, live: live)
    }

    func stop() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    private static func line(of pipe: Pipe, _ pending: inout [UInt8]) -> String {
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                defer { pending.removeFirst(end + 1) }
                return String(decoding: pending[..<end], as: UTF8.self)
            }
            let more = pipe.fileHandleForReading.availableData
            if more.isEmpty { return "" }
            pending += more
        }
    }
}
