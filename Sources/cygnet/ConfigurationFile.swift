internal import ArgumentParser
internal import Configuration
internal import Foundation

/// The configuration file that `check` and `run` take.
struct ConfigurationFile: ParsableArguments {
    static let defaultPath = "/etc/cygnet/cygnet.yaml"

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml", "yml"]))
    var file = ConfigurationFile.defaultPath

    /// Reads and validates the file.
    ///
    /// - Throws: the exit code, after a sentence for the user, when there is nothing to read.
    func load() throws -> ConfigurationResult {
        guard let handle = FileHandle(forReadingAtPath: file) else {
            let why =
                FileManager.default.fileExists(atPath: file) ? "may not be read" : "is missing"
            throw ConfigurationFile.failure(
                "\(file) \(why). Name a configuration file, or copy one from Examples."
            )
        }
        do {
            // One byte more than is allowed, so that the reader sees that it is too long.
            let limit = GatewayConfiguration.maximumBytes + 1
            let data = try handle.read(upToCount: limit) ?? Data()
            return GatewayConfiguration.read(Array(data), file: file)
        } catch {
            throw ConfigurationFile.failure(
                "\(file) cannot be read: it is not a file of text. "
                    + "Name a configuration file."
            )
        }
    }

    private static func failure(_ sentence: String) -> ExitCode {
        CommandOutput.complain(sentence)
        return .failure
    }
}
