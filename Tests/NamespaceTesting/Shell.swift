internal import Foundation
internal import Glibc

package struct ShellFailure: Error, CustomStringConvertible {
    package let command: String
    package let output: String

    package init(command: String, output: String) {
        self.command = command
        self.output = output
    }

    package var description: String { "\(command) failed: \(output)" }
}

/// Programs that tests use.
package enum Shell {
    /// Runs a program and returns what it prints; throws when it fails.
    @discardableResult
    package static func run(_ arguments: [String]) throws -> String {
        let command = try BackgroundCommand(arguments)
        let (status, output) = command.waitUntilDone()
        guard status == 0 else {
            throw ShellFailure(command: arguments.joined(separator: " "), output: output)
        }
        return output
    }

    package static func isInstalled(_ tool: String) -> Bool {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)")
        }
    }
}

/// A program that runs beside the test.
package final class BackgroundCommand {
    private let process = Process()
    private let pipe = Pipe()

    package init(_ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
    }

    /// Waits for its end: exit status and output.
    package func waitUntilDone() -> (status: Int32, output: String) {
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    /// Ends it, by a signal that cannot be blocked as the test runner's threads block others, and
    /// returns what it printed.
    @discardableResult
    package func stop() -> String {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        return waitUntilDone().output
    }
}
