internal import ArgumentParser
internal import Configuration
internal import Inspection
internal import Management

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate a configuration and say in words what it means.",
        discussion: """
            Every error is told in one go, with its line and what would be right. Nothing is \
            started or changed. Exits with 0 when the configuration can be used, else with 1.

            Examples:
              cygnet check a.yaml
              cygnet check --json a.yaml | jq .policies
            """
    )

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml", "yml"]))
    var file = ConfigurationFile.defaultPath

    @Flag(help: "Print findings and policies as JSON.")
    var json = false

    func run() throws {
        let result = try ConfigurationFile.read(file)
        if json {
            print(ManagementCodec.readableJSON(CheckReport(result, file: file)))
        } else {
            ConfigurationFile.report(result, of: file)
            if let valid = result.configuration {
                print(PolicyExplanation(valid).text, terminator: "")
            }
        }
        if result.configuration == nil { throw ExitCode.failure }
    }
}
