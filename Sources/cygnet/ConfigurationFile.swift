internal import ArgumentParser
internal import Configuration
internal import Foundation

/// The configuration that `run` and `guard` take.
struct ConfigurationOption: ParsableArguments {
    @Option(
        name: [.customLong("config"), .customShort("c")],
        help: "The configuration file.",
        completion: .file(extensions: ["yaml", "yml"])
    )
    var file = ConfigurationFile.defaultPath

    /// The configuration, when it can be used, and the file's content; warnings go to standard
    /// error.
    ///
    /// - Parameter refused: called when it cannot be read or used, after every diagnostic was
    ///   written.
    /// - Throws: the exit code, then or when there is nothing to read.
    func load(
        orElse refused: (String) -> Void = { _ in }
    ) throws -> (configuration: GatewayConfiguration, bytes: [UInt8]) {
        let bytes: [UInt8]
        do {
            bytes = try ConfigurationFile.content(of: file)
        } catch {
            refused(file)
            throw error
        }
        let result = GatewayConfiguration.read(bytes, file: file)
        ConfigurationFile.report(result, of: file)
        guard let configuration = result.configuration else {
            refused(file)
            throw ExitCode.failure
        }
        return (configuration, bytes)
    }
}

/// Reads configuration files for every command.
enum ConfigurationFile {
    static let defaultPath = "/etc/cygnet/cygnet.yaml"

    /// Reads and validates the file at `path`.
    ///
    /// - Throws: the exit code, after a sentence for the user, when there is nothing to read.
    static func read(_ path: String) throws -> ConfigurationResult {
        GatewayConfiguration.read(try content(of: path), file: path)
    }

    /// The content of the file at `path`.
    ///
    /// - Throws: the exit code, after a sentence for the user, when there is nothing to read.
    static func content(of path: String) throws -> [UInt8] {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            let why =
                FileManager.default.fileExists(atPath: path) ? "may not be read" : "is missing"
            throw failure("\(path) \(why). Name a configuration file, or copy one from Examples.")
        }
        do {
            return try content(of: handle)
        } catch {
            throw failure("\(path) is not a file of text. Name a configuration file.")
        }
    }

    /// Writes every diagnostic to standard error, and a last line when the file cannot be used.
    static func report(_ result: ConfigurationResult, of path: String) {
        for diagnostic in result.diagnostics { CommandOutput.complain("\(diagnostic)") }
        guard result.configuration == nil else { return }
        let errors = result.errors.count
        CommandOutput.complain("\(path) cannot be used: \(errors) error\(errors == 1 ? "" : "s")")
    }

    /// All of it, but no more than one byte above the limit: the reader sees that it is too long.
    private static func content(of handle: FileHandle) throws -> [UInt8] {
        let limit = GatewayConfiguration.maximumBytes + 1
        var bytes: [UInt8] = []
        while bytes.count < limit {
            guard let next = try handle.read(upToCount: limit - bytes.count), !next.isEmpty else {
                break
            }
            bytes += next
        }
        return bytes
    }

    private static func failure(_ sentence: String) -> ExitCode {
        CommandOutput.complain(sentence)
        return .failure
    }
}
