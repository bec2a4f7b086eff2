package import IKECredentials
package import IPsecPrimitives

/// The IKEv2 protocol machine of RFC 7296 for any number of peers: events in, effects out.
///
/// Reads no clock, draws no randomness of its own and does no input or output. A class, because
/// it is one thing that lives as long as the daemon; it belongs to one thread or actor at a time.
package final class IKEEngine {
    let settings: EngineSettings
    var random: any RandomSource
    package private(set) var counters = EngineCounters()

    package init(settings: EngineSettings = EngineSettings(), random: any RandomSource) {
        self.settings = settings
        self.random = random
    }

    /// Replaces the configuration. SAs of connections that are gone or changed in a way that
    /// matters are closed; the effects say how.
    package func setConnections(
        _ connections: [IKEConnection],
        credentials: CredentialStore,
        at now: Instant
    ) -> [IKEEffect] {
        []
    }

    package func handle(_ event: IKEEvent, at now: Instant) -> [IKEEffect] {
        []
    }

    /// When `timeout` is due; nil: never.
    package var nextTimeout: Instant? { nil }

    package func status(at now: Instant) -> EngineStatus {
        EngineStatus(ikeSAs: [], halfOpenSAs: 0, counters: counters)
    }
}
