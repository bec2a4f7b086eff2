internal import ArgumentParser
internal import Management

struct UpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Bring up a connection, or one tunnel of it.",
        discussion: """
            Shows each step, and what to change when it fails. Exits with 0 when the tunnel is \
            up, else with 1.

            Examples:
              cygnet up branch
              cygnet up branch/net
            """
    )

    @OptionGroup var socket: SocketOption

    @Argument(help: "The connection, or connection/tunnel.")
    var target: ConnectionTarget

    func run() throws {
        try follow(.up(connection: target.connection, tunnel: target.tunnel), on: socket)
    }
}

/// `branch` or `branch/net`.
struct ConnectionTarget: ExpressibleByArgument {
    let connection: String
    let tunnel: String?

    init?(argument: String) {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), !parts.contains("") else { return nil }
        connection = String(parts[0])
        tunnel = parts.count == 2 ? String(parts[1]) : nil
    }
}
