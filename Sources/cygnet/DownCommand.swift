internal import ArgumentParser
internal import Management

struct DownCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down",
        abstract: "End a connection, or one tunnel of it.",
        discussion: """
            The peer is told. What the tunnel protects still does not pass in clear. Traffic brings a \
            tunnel that starts on traffic up again.

            Examples:
              cygnet down branch
              cygnet down branch/net
            """
    )

    @OptionGroup var socket: SocketOption

    @Argument(help: "The connection, or connection/tunnel.")
    var target: ConnectionTarget

    func run() throws {
        try follow(.down(connection: target.connection, tunnel: target.tunnel), on: socket)
    }
}
