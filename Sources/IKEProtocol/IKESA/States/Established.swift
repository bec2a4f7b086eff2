internal import IKECredentials
internal import IPsecPrimitives

/// Both ends are who they claim to be.
///
/// A class, because it lives long and changes in small parts.
final class Established {
    let keys: SAKeys
    /// The identity that the peer proved.
    let remoteIdentity: Identity
    let localIdentity: Identity
    /// By inbound SPI.
    var children: [SPI: ChildSA] = [:]
    /// Inbound SPIs of AH that have to be deleted though no child has them any more.
    var strayAuthenticationSPIs: Set<SPI> = []
    /// What this end will ask for, one after the other: the window is one request.
    var tasks: [IKETask] = []
    let establishedAt: Instant
    var rekeyAt: Instant?
    /// Another IKE SA has taken over the children; this one only waits for its Delete.
    var isReplaced = false

    init(keys: SAKeys, localIdentity: Identity, remoteIdentity: Identity, now: Instant) {
        self.keys = keys
        self.localIdentity = localIdentity
        self.remoteIdentity = remoteIdentity
        establishedAt = now
    }

    /// The child whose packets from us carry `spi`; ESP and AH count theirs apart.
    func child(outboundSPI spi: SPI, of securityProtocol: SecurityProtocol) -> ChildSA? {
        children.values.first {
            $0.outboundSPI == spi && $0.suite.securityProtocol == securityProtocol
        }
    }

    /// The child of a policy that carries traffic and is not replaced; the youngest of several.
    func currentChild(named name: String) -> ChildSA? {
        children.values
            .filter { $0.policy.name == name && $0.stage == .current }
            .max { ($0.createdAt, $0.inboundSPI) < ($1.createdAt, $1.inboundSPI) }
    }
}
