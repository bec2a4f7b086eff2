internal import ArgumentParser
internal import Foundation
internal import Inspection
internal import LinuxIO
internal import Management

/// Writes a trace as it comes: lines to standard output, or packets to files.
struct TraceOutput {
    /// A capture wants more than a reader can read.
    static let capturesPerSecond = 5000

    let isJSON: Bool
    let limit: Int?
    var files: TraceFiles?
    /// Whether the gateway has agreed.
    private(set) var hasBegun = false
    /// Why what came could not be written; then it is over.
    private(set) var failure: WriteFailure?
    private var shown = 0
    private var beyondRate = 0
    private var lost = 0

    init(isJSON: Bool, limit: Int?) {
        self.isJSON = isJSON
        self.limit = limit
    }

    /// Whether as many packets were shown as are wanted; datagrams of the last may still come.
    var isComplete: Bool { limit.map { shown >= $0 } ?? false }

    /// Whether anybody still reads: the next packet may be long in coming.
    var isWanted: Bool {
        files != nil || !BrokenPipe.isThere(at: FileHandle.standardOutput.fileDescriptor)
    }

    /// - Returns: whether more is wanted.
    mutating func take(_ report: TraceReport) -> Bool {
        hasBegun = true
        var text = ""
        var isOver = false
        for entry in report.entries {
            if entry.outcome != .datagram {
                // The datagrams of the last packet follow it.
                if let limit, shown >= limit {
                    isOver = true
                    break
                }
                shown += 1
                if files == nil {
                    text += isJSON ? ManagementCodec.lineJSON(entry) : TraceText(entry).line
                    text += "\n"
                }
            }
            files?.take(entry)
        }
        files?.take(keys: report.keys)
        beyondRate = report.beyondRate
        lost = report.lost
        do throws(WriteFailure) {
            if !text.isEmpty {
                try WriteFailure.watch("standard output") {
                    try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
                }
            }
            try files?.write()
        } catch {
            failure = error
            return false
        }
        return !isComplete || files != nil && !isOver
    }

    /// Says what was written, and what was not shown.
    func close() {
        if let failure { CommandOutput.complain("\(failure)") }
        files?.close()
        if beyondRate > 0 {
            CommandOutput.complain(
                "\(beyondRate) more packets were not shown: more a second than --rate allows"
            )
        }
        if lost > 0 {
            CommandOutput.complain(
                "\(lost) more packets were not shown: they came faster than they were read"
            )
        }
    }
}

/// What a trace has shown has no room, or its file is gone.
struct WriteFailure: Error, CustomStringConvertible {
    let place: String
    let reason: String

    var description: String {
        "cannot write to \(place): \(reason)\n"
            + "hint: what came before is there; make room, or write elsewhere"
    }

    static func watch(_ place: String, _ body: () throws -> Void) throws(WriteFailure) {
        do {
            try body()
        } catch {
            let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error ?? error
            throw WriteFailure(place: place, reason: cause.localizedDescription)
        }
    }
}

/// The files of a capture.
struct TraceFiles {
    private let name: String
    private let keysName: String?
    private let packets: FileHandle
    private let packetsDescriptor: FileDescriptor
    private let keys: FileHandle?
    private let keysDescriptor: FileDescriptor?
    private var capture: TraceCapture
    private var pending: [UInt8]
    private var pendingKeys = ""

    /// - Throws: the exit code, after a sentence for the user.
    init(capture name: String, keys keysName: String?, snapLength: Int) throws {
        if let keysName {
            CommandOutput.complain(
                "\(keysName) gets the keys of the SAs: whoever reads it can read all their traffic. "
                    + "Remove it when you are done."
            )
        }
        do throws(SystemCallFailure) {
            keysDescriptor = try keysName.map { (name) throws(SystemCallFailure) in
                try PrivateFile.create(name)
            }
            do throws(SystemCallFailure) {
                // Packets as they are before protection are nobody else's business.
                packetsDescriptor = try PrivateFile.replace(name)
            } catch {
                if let keysName { try? FileManager.default.removeItem(atPath: keysName) }
                throw error
            }
        } catch {
            CommandOutput.complain("\(error)")
            throw ExitCode.failure
        }
        keys = keysDescriptor.map {
            FileHandle(fileDescriptor: $0.number, closeOnDealloc: false)
        }
        packets = FileHandle(fileDescriptor: packetsDescriptor.number, closeOnDealloc: false)
        self.name = name
        self.keysName = keysName
        capture = TraceCapture(snapLength: snapLength)
        pending = capture.header
        do throws(WriteFailure) {
            try write()
        } catch {
            discard()
            CommandOutput.complain("\(error)")
            throw ExitCode.failure
        }
    }

    mutating func take(_ entry: TraceEntry) {
        if let block = capture.block(of: entry) { pending += block }
    }

    mutating func take(keys lines: [String]) {
        pendingKeys += lines.map { $0 + "\n" }.joined()
    }

    mutating func write() throws(WriteFailure) {
        if !pending.isEmpty {
            try WriteFailure.watch(name) { try packets.write(contentsOf: Data(pending)) }
        }
        pending = []
        if let keys, let keysName, !pendingKeys.isEmpty {
            try WriteFailure.watch(keysName) { try keys.write(contentsOf: Data(pendingKeys.utf8)) }
        }
        pendingKeys = ""
    }

    /// Takes the files away again, where nothing came of the trace.
    func discard() {
        for path in [name, keysName].compactMap(\.self) {
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    func close() {
        CommandOutput.complain(
            "\(capture.innerPackets) packets and \(capture.outerPackets) datagrams are in \(name)"
        )
    }
}
