internal import ArgumentParser
internal import Configuration
internal import Gateway
internal import LinuxIO

struct GuardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard",
        abstract: "Show, set or lift what keeps protected traffic from passing in clear.",
        discussion: """
            The guard lives in the kernel: a packet filter, and routing rules that lead protected \
            traffic to the tunnel device or nowhere. A gateway sets it when it starts and leaves \
            it when it ends, however it ends. Set it at boot, before the network is up, and \
            nothing leaks before the gateway runs.

            Examples:
              cygnet guard show
              cygnet guard set --config /etc/cygnet/cygnet.yaml
              cygnet guard lift
            """,
        subcommands: [Show.self, Set.self, Lift.self]
    )

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Print the guard as the kernel has it; exit with 1 when it is not set.",
            discussion: """
                Examples:
                  cygnet guard show
                """
        )

        func run() throws {
            let text = try GuardCommand.attempt { () throws(SystemCallFailure) in
                try GuardOperations.show()
            }
            guard let text else {
                CommandOutput.complain(
                    "the guard is not set: protected traffic may pass in clear; "
                        + "set it with cygnet guard set --config FILE"
                )
                throw ExitCode.failure
            }
            print(text)
        }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set",
            abstract: "Set the guard of a configuration; a gateway need not run.",
            discussion: """
                When the configuration is broken, the guard of the last valid one is set, and the \
                exit status is 1. A gateway that runs puts the guard of its own configuration in the \
                place of any other.

                Examples:
                  cygnet guard set --config /etc/cygnet/cygnet.yaml
                """
        )

        @OptionGroup var source: ConfigurationOption

        func run() throws {
            BrokenPipe.isIgnored()
            let (configuration, bytes) = try source.load(orElse: GuardFallback.apply)
            try GuardCommand.attempt { () throws(SystemCallFailure) in
                try GuardOperations.set(configuration)
            }
            LastGoodConfiguration.warning(keeping: bytes, of: source.file)
                .map(CommandOutput.complain)
            print("the guard of \(source.file) is set")
        }
    }

    struct Lift: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "lift",
            abstract: "Take the guard away: protected traffic can then pass in clear.",
            discussion: """
                A running gateway goes on, but nothing catches what it does not, until the guard is \
                set again, the gateway starts anew or a firewall flushes every table of nftables.

                Examples:
                  cygnet guard lift
                """
        )

        func run() throws {
            try GuardCommand.attempt { () throws(SystemCallFailure) in
                try GuardOperations.lift()
            }
            print("the guard is lifted: protected traffic may pass in clear")
        }
    }

    @discardableResult
    private static func attempt<Result>(
        _ body: () throws(SystemCallFailure) -> Result
    ) throws -> Result {
        do throws(SystemCallFailure) { return try body() } catch {
            CommandOutput.complain("error: \(error)")
            throw ExitCode.failure
        }
    }
}
