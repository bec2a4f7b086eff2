internal import ArgumentParser
internal import Foundation
internal import Inspection
internal import Management

/// Where commands write.
enum CommandOutput {
    /// Writes a line to standard error; that nobody reads it is no reason to end.
    static func complain(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
    }
}

/// The socket that every command to a running gateway takes.
struct SocketOption: ParsableArguments {
    @Option(help: "The gateway's control socket.")
    var socket = ManagementClient.defaultPath

    var client: ManagementClient { ManagementClient(path: socket) }
}

/// Sends a request whose progress people watch, and exits with 1 when it did not come about.
func follow(_ request: ManagementRequest, on socket: SocketOption) throws {
    let reply: ManagementReply
    do throws(ManagementError) {
        reply = try socket.client.perform(request, progress: { print($0) })
    } catch {
        CommandOutput.complain("\(error)")
        throw ExitCode.failure
    }
    switch reply {
    case .done(let text): print(text)
    case .failed(let failure):
        for line in FailureText(failure).lines { CommandOutput.complain(line) }
        throw ExitCode.failure
    case .status, .reloaded, .progress, .traced, .explained:
        CommandOutput.complain("\(ManagementError.malformed("no outcome in it"))")
        throw ExitCode.failure
    }
}
