internal import ArgumentParser
internal import Inspection
internal import Management

/// `cygnet explain drop`: what a reason means that `cygnet status` counts drops by.
struct ExplainDropCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drop",
        abstract: "Say why packets are dropped for a reason, and what would mend it.",
        discussion: """
            The reasons are those under \"Dropped\" of cygnet status. Without one, all are listed.

            Examples:
              cygnet explain drop
              cygnet explain drop replayed
              cygnet explain drop --json | jq -r '.[] | select(.place == \"ike\").reason'

            Exits with 64 when there is no such reason.
            """
    )

    @Argument(help: "The reason, such as noPolicy or ike-malformed.")
    var reason: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        guard let reason else {
            if json {
                print(ManagementCodec.readableJSON(DropExplanation.all))
            } else {
                print(DropExplanation.listText, terminator: "")
            }
            return
        }
        guard let explanation = DropExplanation.of(reason) else {
            CommandOutput.complain("\"\(reason)\" is no reason for a drop")
            CommandOutput.complain("    hint: cygnet explain drop lists them all")
            throw ExitCode(64)
        }
        if json {
            print(ManagementCodec.readableJSON(explanation))
        } else {
            print(explanation.text, terminator: "")
        }
    }
}
