internal import ArgumentParser
internal import Inspection
internal import Management

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Make the running gateway read its configuration and secrets again.",
        discussion: """
            Only what changed is touched: every other connection keeps its SAs. Where anything is \
            wrong, nothing is changed, every error is told, and the exit code is 1. SIGHUP does the \
            same and writes to the log. Documentation/reload.md says what a change of each key \
            does.

            Examples:
              cygnet reload
              cygnet reload --json | jq .changed
            """
    )

    @OptionGroup var socket: SocketOption

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let status: ReloadStatus
        do throws(ManagementError) { status = try socket.client.reload() } catch {
            CommandOutput.complain("\(error)")
            throw ExitCode.failure
        }
        if json {
            print(ManagementCodec.readableJSON(status))
        } else {
            let text = ReloadText(status)
            for line in text.lines { print(line) }
            for line in text.complaints { CommandOutput.complain(line) }
        }
        if !status.isInForce { throw ExitCode.failure }
    }
}
