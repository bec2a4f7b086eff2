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
    }

    private static let share = 25

    private let end: UInt64
    private let workers: Int
    private let violationLimit: Int
    private let state: Mutex<State>
    private let started = ContinuousClock.now

    init(first: UInt64, count: Int, workers: Int, violationLimit: Int) {
        end = first + UInt64(count)
        self.workers = workers
        self.violationLimit = violationLimit
        state = Mutex(State(next: first))
    }

    /// Runs to the end of the range, or until there are violations enough.
    func run() -> Found {
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
            while let share = takeShare() {
                let output = work(share)
                merge(output, share)
            }
        }
        return state.withLock { state in
            state.found.duration = ContinuousClock.now - started
            state.found.failures.sort { $0.seed < $1.seed }
            return state.found
        }
    }

    /// Lets what is under way come to its end, and no more begin.
    ///
    /// - Returns: what has to live as long as that is wanted.
    func stopOnInterrupt() -> any DispatchSourceSignal {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler { [self] in state.withLock { $0.isStopped = true } }
        source.resume()
        return source
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

    private func merge(_ output: (text: String, status: Int32), _ share: Range<UInt64>) {
        state.withLock { state in
            var running: UInt64?
            for line in output.text.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 5)
                switch words.first {
                case "begin": running = UInt64(words[1])
                case "seed":
                    running = nil
                    state.found.seeds += 1
                    state.found.events += Int(words[3]) ?? 0
                    if words.count > 5, let seed = UInt64(words[1]) {
                        state.found.failures.append(Failure(seed: seed, text: String(words[5])))
                    }
                case "coverage":
                    let parts = line.split(separator: " ", maxSplits: 2)
                    state.found.coverage.add(String(parts[2]), Int(parts[1]) ?? 0)
                default: break
                }
            }
            if let running {
                let text = "the worker died with status \(output.status)"
                state.found.failures.append(Failure(seed: running, text: text))
            }
            report(state.found)
        }
    }

    private func report(_ found: Found) {
        let minutes = max((ContinuousClock.now - started) / .seconds(60), 0.001)
        let line =
            "\(found.seeds) seeds, \(Int(Double(found.seeds) / minutes)) a minute, "
            + "\(found.failures.count) violations\n"
        FileHandle.standardError.write(Data(line.utf8))
    }
}
