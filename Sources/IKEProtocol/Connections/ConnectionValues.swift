internal import IKECredentials
internal import IPsecPrimitives

/// What all copies of a connection, or of a policy, hold in common.
final class SharedValues<Values: Sendable>: Sendable {
    let values: Values

    init(_ values: Values) { self.values = values }
}

/// The values of an `IKEConnection`, which says what they mean.
struct ConnectionValues: Sendable {
    var name: String
    var source: String
    var localAddress: IPAddress?
    var remoteAddress: IPAddress?
    var remotePrefixes: [IPPrefix]
    var localIdentity: Identity
    var localIdentitySource: String
    var remoteIdentity: IdentityPattern
    var remoteIdentitySource: String
    var secretSource: String
    var proposals: [ConfiguredProposal]
    var encapsulation: IKEConnection.Encapsulation
    var encapsulationSource: String
    var lifetime: SALifetime
    var livenessInterval: Duration?
    var retransmission: RetransmissionSchedule = RetransmissionSchedule()
    var duplicates: IKEConnection.Duplicates = .replace
    var reauthenticateAfter: Duration?
    var window: Int = 8
    var fragmentSize: Int? = 1280
    var signsFullTranscript: Bool = true
    var ppk: PPKPolicy?
    var childless: Childless = .allow
    var childlessSource: String
    var keepaliveInterval: Duration? = .seconds(20)
    var mobility: MobilityPolicy = MobilityPolicy()
    var transport: TransportPolicy = TransportPolicy()
    var redirection: RedirectPolicy = RedirectPolicy()
    var resumption: ResumptionPolicy?
    var children: [ChildPolicy]
    var request: InternalRequest?
    var assignment: InternalAssignment?
}

/// The values of a `ChildPolicy`, which says what they mean.
struct ChildPolicyValues: Hashable, Sendable {
    var name: String
    var source: String
    var selectorsSource: String
    var proposals: [ConfiguredProposal]
    var localSelectors: [TrafficSelector]
    var remoteSelectors: [TrafficSelector]
    var isPerPair: Bool = false
    var mode: ChildMode = ChildMode.tunnel
    var compression: [UInt8] = []
    var acceptsPadding: Bool = true
    var carriesLaterFragments: Bool = false
    var resources: Int = 1
    var lifetime: SALifetime
}
