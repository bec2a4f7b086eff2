internal import ArgumentParser

@main
struct CygnetSimulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cygnet-simulate",
        abstract: "Searches for orders of events that the gateway does not survive.",
        subcommands: [SearchCommand.self, RunCommand.self, ShrinkCommand.self, WorkCommand.self],
        defaultSubcommand: SearchCommand.self
    )
}
