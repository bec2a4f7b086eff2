internal import Foundation
internal import Simulation
internal import Synchronization

/// Hands shares of a range of seeds to worker processes and gathers what they find.
final class Search: Sendable {
    struct Failure: Sendable {
        let seed: UInt64
        let text: String
    }

    struct Found: Sendable {
        var seeds = 0
        var events = 0
        var failures: [Failure] = []
        var coverage = Coverage()
        var duration = Duration.zero

        var summary: String {
            let minutes = max(duration / .seconds(60), 0.001)
            return
                "\(seeds) seeds, \(events) events, \(Int(Double(seeds) / minutes)) seeds a minute, "
                + "\(failures.count) violations"
        }
    }

    private struct State {
        var next: UInt64
        var found = Found()
        var isStopped = false
        /// Shares that are done, by their first seed, but for those before `doneUpTo`.
        var done: [UInt64: UInt64] = [:]
        /// Everything from the first seed to this one is done.
        var doneUpTo: UInt64
        var reportedUpTo: UInt64
        var reportedAt = ContinuousClock.now
    }

    private static let share = 50
    /// What was done is handed on so often.
    private static let reportInterval = Duration.seconds(15)

    private let end: UInt64
    private let workers: Int
    private let violationLimit: Int
    private let state: Mutex<State>
    private let started = ContinuousClock.now
    private let onProgress: @Sendable (Range<UInt64>, [Failure]) -> Void

    /// - Parameter onProgress: told, every now and then and at the end, of the seeds that were done
    ///   since, which follow those it was told of before.
    init(
        first: UInt64,
        count: Int,
        workers: Int,
        violationLimit: Int,
        onProgress: @escaping @Sendable (Range<UInt64>, [Failure]) -> Void
    ) {
        self.onProgress = onProgress
        end = first + UInt64(count)
        self.workers = workers
        self.violationLimit = violationLimit
        state = Mutex(State(next: first, doneUpTo: first, reportedUpTo: first))
    }

    /// Runs to the end of the range, or until there are violations enough.
    func run() -> Found {
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
            while let share = takeShare() { run(share) }
        }
        return state.withLock { state in
            report(&state)
            state.found.duration = ContinuousClock.now - started
            state.found.failures.sort { $0.seed < $1.seed }
            return state.found
        }
    }

    /// Lets what is under way come to its end, and no more begin.
    ///
    /// - Returns: what has to live as long as that is wanted.
    func stopOnInterrupt() -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in state.withLock { $0.isStopped = true } }
            source.resume()
            return source
        }
    }

    private func takeShare() -> Range<UInt64>? {
        state.withLock { state in
            guard !state.isStopped, state.next < end, state.found.failures.count < violationLimit
            else { return nil }
            let share = state.next..<min(state.next + UInt64(Search.share), end)
            state.next = share.upperBound
            return share
        }
    }

    /// Runs a share to its end; a worker that dies is a finding, and another goes on behind it.
    private func run(_ share: Range<UInt64>) {
        var first = share.lowerBound
        while first < share.upperBound {
            let rest = first..<share.upperBound
            first = merge(work(rest), rest)
        }
        state.withLock { state in
            state.done[share.lowerBound] = share.upperBound
            while let end = state.done.removeValue(forKey: state.doneUpTo) { state.doneUpTo = end }
            if ContinuousClock.now - state.reportedAt > Search.reportInterval { report(&state) }
        }
    }

    /// The output of one worker process.
    private func work(_ share: Range<UInt64>) -> (text: String, status: Int32) {
        let (text, status) = Search.output(of: [
            "work", "--from", "\(share.lowerBound)", "--seeds", "\(share.count)",
        ])
        return (status == 127 ? "begin \(share.lowerBound)\n" : text, status)
    }

    /// What this program prints with other arguments.
    static func output(of arguments: [String]) -> (text: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        var environment = ProcessInfo.processInfo.environment
        // A trap is a finding, not something to look at for a minute.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        process.environment = environment
        let pipe = Pipe()
        process.standardOutput = pipe
        do { try process.run() } catch { return ("", 127) }
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (String(decoding: data, as: UTF8.self), process.terminationStatus)
    }

    /// - Returns: the first seed of the share that was not run.
    private func merge(
        _ output: (text: String, status: Int32),
        _ share: Range<UInt64>
    ) -> UInt64 {
        state.withLock { state in
            var running: UInt64?
            var next = share.lowerBound
            for line in output.text.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 5)
                switch words.first {
                case "begin": running = UInt64(words[1])
                case "seed":
                    running = nil
                    guard let seed = UInt64(words[1]) else { continue }
                    next = seed + 1
                    state.found.seeds += 1
                    state.found.events += Int(words[3]) ?? 0
                    if words.count > 5 {
                        state.found.failures.append(Failure(seed: seed, text: String(words[5])))
                    }
                case "coverage":
                    let parts = line.split(separator: " ", maxSplits: 2)
                    state.found.coverage.add(String(parts[2]), Int(parts[1]) ?? 0)
                default: break
                }
            }
            // One that ends before its first seed has that on its conscience.
            let culprit = running ?? (next == share.lowerBound ? next : nil)
            guard let culprit else { return next }
            let text = "the worker died with status \(output.status)"
            state.found.failures.append(Failure(seed: culprit, text: text))
            state.found.seeds += 1
            return culprit + 1
        }
    }

    private func report(_ state: inout State) {
        let range = state.reportedUpTo..<state.doneUpTo
        let found = state.found
        state.reportedUpTo = state.doneUpTo
        state.reportedAt = ContinuousClock.now
        if !range.isEmpty {
            onProgress(range, found.failures.filter { range.contains($0.seed) })
        }
        let minutes = max((ContinuousClock.now - started) / .seconds(60), 0.001)
        let line =
            "\(found.seeds) seeds, \(Int(Double(found.seeds) / minutes)) a minute, "
            + "\(found.failures.count) violations\n"
        FileHandle.standardError.write(Data(line.utf8))
    }
}
