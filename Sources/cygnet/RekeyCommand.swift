internal import ArgumentParser
internal import Management

struct RekeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rekey",
        abstract: "Replace the keys of a connection, or of one tunnel of it.",
        discussion: """
            As happens by itself before a lifetime ends: the new keys are in use before the old ones \
            go, and no packet is lost. Exits with 0 when all keys asked for are new, else with 1.

            Examples:
              cygnet rekey branch
              cygnet rekey branch/net
              cygnet rekey branch --ike-sa
            """
    )

    @OptionGroup var socket: SocketOption

    @Flag(help: "The keys of the IKE SA, not those of the tunnels.")
    var ikeSA = false

    @Argument(help: "The connection, or connection/tunnel.")
    var target: ConnectionTarget

    func validate() throws {
        guard ikeSA, let tunnel = target.tunnel else { return }
        throw ValidationError(
            "The tunnels of \(target.connection) share one IKE SA: leave out /\(tunnel)."
        )
    }

    func run() throws {
        try follow(
            .rekey(connection: target.connection, tunnel: target.tunnel, isIKESA: ikeSA),
            on: socket
        )
    }
}
