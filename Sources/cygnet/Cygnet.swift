internal import ArgumentParser
internal import LinuxIO
internal import Management

@main
struct Cygnet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cygnet",
        abstract: "IPsec for Linux: IKEv2 and a fast packet path.",
        discussion: """
            A site-to-site tunnel in three steps:
              cygnet check   say what /etc/cygnet/cygnet.yaml means
              cygnet run     start the gateway
              cygnet status  see what it does
            """,
        version: cygnetVersion,
        subcommands: [
            RunCommand.self, CheckCommand.self, ReloadCommand.self, StatusCommand.self,
            UpCommand.self, DownCommand.self, RekeyCommand.self, GuardCommand.self,
            ExplainCommand.self, TraceCommand.self, DecodeCommand.self, BenchCommand.self,
        ]
    )

    static func main() {
        // Whoever started this may have it ignored, as service managers do.
        BrokenPipe.endsTheProcess()
        main(nil)
    }
}
