internal import ArgumentParser
internal import Simulation

/// One seed, in this process.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs one seed and shows what happens."
    )

    @Option(help: "The seed.")
    var seed: UInt64

    @Flag(help: "Show every event.")
    var verbose = false

    func run() throws {
        let trace = verbose ? Trace { print($0) } : Trace()
        let outcome = World(ScenarioGenerator.scenario(seed: seed), trace: trace).run()
        print(outcome.line)
        if outcome.violation != nil { throw ExitCode(1) }
    }
}
