internal import ArgumentParser
internal import Inspection
internal import Management

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show connections, tunnels, counters and the last failures.",
        discussion: """
            Examples:
              cygnet status
              cygnet status --json | jq '.connections[].state'
              cygnet status --socket /run/cygnet/b.sock
            """
    )

    @OptionGroup var socket: SocketOption

    @Flag(help: "Print JSON; its schema is steady (Documentation/status-schema.md).")
    var json = false

    func run() throws {
        do throws(ManagementError) {
            let status = try socket.client.status()
            if json {
                print(ManagementCodec.readableJSON(status))
            } else {
                print(StatusText(status).text, terminator: "")
            }
        } catch {
            CommandOutput.complain("\(error)")
            throw ExitCode.failure
        }
    }
}
