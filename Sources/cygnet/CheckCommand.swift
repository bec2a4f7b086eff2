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

    @OptionGroup var configurationFile: ConfigurationFile

    @Flag(help: "Print findings and policies as JSON.")
    var json = false

    func run() throws {
        let result = try configurationFile.load()
        if json {
            let report = CheckReport(result, file: configurationFile.file)
            print(ManagementCodec.readableJSON(report))
        } else {
            for diagnostic in result.diagnostics { CommandOutput.complain("\(diagnostic)") }
            if let valid = result.configuration {
                print(PolicyExplanation(valid).text, terminator: "")
            } else {
                CommandOutput.complain(
                    "\(configurationFile.file) cannot be used: "
                        + "\(result.errors.count) error\(result.errors.count == 1 ? "" : "s")"
                )
            }
        }
        if result.configuration == nil { throw ExitCode.failure }
    }
}
