import Foundation
import Simulation
import Testing

@Suite("The same everywhere")
struct DeterminismTests {
    @Test("a seed gives the same trace twice in one process")
    func twice() {
        let first = World(ScenarioGenerator.scenario(seed: 3)).run()
        let second = World(ScenarioGenerator.scenario(seed: 3)).run()
        #expect(first.hash == second.hash)
    }

    @Test("a seed gives the same trace in other processes, whose hashing differs")
    func otherProcesses() throws {
        let here = (1...6).map { World(ScenarioGenerator.scenario(seed: $0)).run().line }
        for _ in 0..<2 {
            let lines = try output(of: ["work", "--from", "1", "--seeds", "6"])
                .split(separator: "\n").map(String.init).filter { $0.hasPrefix("seed ") }
            #expect(lines == here)
        }
    }

    private func output(of arguments: [String]) throws -> String {
        let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        let process = Process()
        process.executableURL = tests.deletingLastPathComponent().appending(path: "cygnet-simulate")
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
