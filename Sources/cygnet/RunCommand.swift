internal import ArgumentParser
internal import Configuration
internal import Foundation
internal import Gateway
internal import LinuxIO
internal import Logging

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the gateway in the foreground.",
        discussion: """
            Takes its sockets, the tunnel device, routes and the guard, then gives up every \
            privilege but CAP_NET_ADMIN and CAP_NET_RAW. SIGTERM and SIGINT end it in good order: \
            peers are told, the device goes, and the guard stays, so that protected traffic never \
            passes in clear.

            Examples:
              cygnet run --config /etc/cygnet/cygnet.yaml
              cygnet run --config a.yaml --log-level debug
            """
    )

    @OptionGroup var source: ConfigurationOption

    @Option(help: "trace, debug, info, notice, warning or error; else the configuration's.")
    var logLevel: GatewaySettings.LogLevel?

    func run() throws {
        BrokenPipe.isIgnored()
        // Before anything of the kernel's is touched, the guard of a fallback included.
        let claim = try claim()
        let (configuration, bytes) = try source.load(orElse: GuardFallback.apply)
        LastGoodConfiguration.warning(keeping: bytes, of: source.file)
            .map(CommandOutput.complain)
        do {
            let daemon = try GatewayDaemon(
                claim,
                configuration: configuration,
                secrets: ConnectionSecrets(reading: configuration),
                logger: logger(configuration),
                notifySocket: ProcessInfo.processInfo.environment["NOTIFY_SOCKET"]
            )
            try daemon.run()
        } catch let error as ConnectionSecrets.Refusals {
            for refused in error.refused {
                CommandOutput.complain("\(refused.location): error: \(refused.refusal.reason)")
                CommandOutput.complain("    hint: \(refused.refusal.remedy)")
            }
            GuardFallback.apply(of: configuration)
            throw ExitCode.failure
        } catch let error as SystemCallFailure {
            CommandOutput.complain("error: \(error)")
            throw ExitCode.failure
        }
    }

    private func claim() throws -> NamespaceClaim? {
        do throws(SystemCallFailure) { return try NamespaceClaim.take() } catch {
            CommandOutput.complain("error: \(error)")
            throw ExitCode.failure
        }
    }

    private func logger(_ configuration: GatewayConfiguration) -> Logger {
        var logger = Logger(label: "cygnet") { StreamLogHandler.standardError(label: $0) }
        let level = logLevel ?? configuration.settings.logLevel
        logger.logLevel = Logger.Level(rawValue: level.rawValue) ?? .info
        return logger
    }
}

extension GatewaySettings.LogLevel: ExpressibleByArgument {}

/// What a broken configuration or a missing secret must not do: open the guard.
enum GuardFallback {
    /// Sets the guard of a configuration that is valid, although no gateway can run from it.
    static func apply(of configuration: GatewayConfiguration) {
        do throws(SystemCallFailure) {
            try GuardOperations.set(configuration)
            CommandOutput.complain("the guard of \(configuration.file) is in force")
        } catch {
            CommandOutput.complain("error: the guard cannot be set: \(error)")
        }
    }

    /// Sets the guard of the last valid configuration, and says so.
    static func apply(insteadOf file: String) {
        let copy = LastGoodConfiguration.path(for: file)
        guard let bytes = LastGoodConfiguration.load(from: copy),
            let configuration = GatewayConfiguration.read(bytes, file: copy).configuration
        else {
            CommandOutput.complain(
                "\(file) cannot be used, and there is no valid one from before to guard by"
            )
            return
        }
        do throws(SystemCallFailure) {
            try GuardOperations.set(configuration)
            CommandOutput.complain(
                "\(file) cannot be used; the guard of the last valid configuration is in force"
            )
        } catch {
            CommandOutput.complain("error: the guard cannot be set: \(error)")
        }
    }
}
