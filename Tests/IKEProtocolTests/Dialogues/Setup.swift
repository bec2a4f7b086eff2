import IKECredentials
import IKEProtocol
import IPsecPrimitives

/// A configuration of one end, as a test wants it.
struct Setup {
    var localAddress = "192.0.2.1"
    var remoteAddress = "192.0.2.2"
    var localIdentity = "left.example"
    var remoteIdentity = "right.example"
    var secret = "a secret between two"
    var ikeProposals = ["aes256gcm16-prfsha256-x25519"]
    var espProposals = ["aes256gcm16"]
    var children = ["net": ("10.1.0.0/16", "10.2.0.0/16")]
    var encapsulation = IKEConnection.Encapsulation.automatic
    var ikeLifetime = SALifetime.ikeDefault
    var childLifetime = SALifetime.childDefault
    var livenessInterval: Duration? = .seconds(30)
    var retransmission = RetransmissionSchedule()
    var mobility = MobilityPolicy()
    var redirection = RedirectPolicy()
    var remotePrefixes: [String] = []
    var window = 8
    var duplicates = IKEConnection.Duplicates.replace
    var reauthenticateAfter: Duration?
    /// What else the connection says.
    var adjustConnection: (inout IKEConnection) -> Void = { _ in }
    /// What else the policy of each child says.
    var adjustChild: (inout ChildPolicy) -> Void = { _ in }
    var fragmentSize: Int? = 1280
    var signsFullTranscript = true
    var childless = Childless.allow
    /// Identifier, secret, and whether it is required.
    var ppk: (identifier: String, secret: String, isRequired: Bool)?

    /// The same from the other end.
    var mirrored: Setup {
        var other = self
        swap(&other.localAddress, &other.remoteAddress)
        swap(&other.localIdentity, &other.remoteIdentity)
        other.children = children.mapValues { ($0.1, $0.0) }
        return other
    }

    var connections: [IKEConnection] {
        let children = children.sorted { $0.key < $1.key }.map { name, networks in
            var policy = ChildPolicy(
                name: name,
                source: "\(localIdentity).yaml:20",
                proposals: espProposals.enumerated().map {
                    Setup.proposal($1, .esp, line: 30 + $0, of: localIdentity)
                },
                localSelectors: Setup.selectors(networks.0),
                remoteSelectors: Setup.selectors(networks.1)
            )
            policy.selectorsSource = "\(localIdentity).yaml:21"
            policy.lifetime = childLifetime
            adjustChild(&policy)
            return policy
        }
        var connection = IKEConnection(
            name: "site",
            source: "\(localIdentity).yaml:1",
            localAddress: IPAddress(localAddress),
            remoteAddress: IPAddress(remoteAddress),
            localIdentity: Identity(localIdentity)!,
            remoteIdentity: IdentityPattern(remoteIdentity)!,
            proposals: ikeProposals.enumerated().map {
                Setup.proposal($1, .ike, line: 10 + $0, of: localIdentity)
            },
            children: children
        )
        connection.localIdentitySource = "\(localIdentity).yaml:3"
        connection.remoteIdentitySource = "\(localIdentity).yaml:4"
        connection.secretSource = "\(localIdentity).yaml:5"
        connection.encapsulation = encapsulation
        connection.encapsulationSource = "\(localIdentity).yaml:6"
        connection.lifetime = ikeLifetime
        connection.livenessInterval = livenessInterval
        connection.retransmission = retransmission
        connection.fragmentSize = fragmentSize
        connection.childless = childless
        connection.ppk = ppk.map {
            PPKPolicy(
                identifier: Array($0.identifier.utf8),
                isRequired: $0.isRequired,
                source: "\(localIdentity).yaml:8"
            )
        }
        connection.childlessSource = "\(localIdentity).yaml:7"
        connection.signsFullTranscript = signsFullTranscript
        connection.mobility = mobility
        connection.redirection = redirection
        connection.remotePrefixes = remotePrefixes.map { IPPrefix($0)! }
        connection.window = window
        connection.duplicates = duplicates
        connection.reauthenticateAfter = reauthenticateAfter
        adjustConnection(&connection)
        return [connection]
    }

    var credentials: CredentialStore {
        var store = CredentialStore()
        store.addPresharedKey(
            SecretBytes(Array(secret.utf8)),
            local: IdentityPattern(localIdentity)!,
            remote: IdentityPattern(remoteIdentity)!
        )
        if let ppk {
            store.addPostquantumKey(
                SecretBytes(Array(ppk.secret.utf8)),
                identifier: Array(ppk.identifier.utf8)
            )
        }
        return store
    }

    /// The secret for whichever peer comes.
    var credentialsForAnyone: CredentialStore {
        var store = CredentialStore()
        store.addPresharedKey(
            SecretBytes(Array(secret.utf8)),
            local: IdentityPattern(localIdentity)!,
            remote: .any
        )
        return store
    }

    static func proposal(
        _ text: String,
        _ securityProtocol: SecurityProtocol,
        line: Int,
        of file: String
    ) -> ConfiguredProposal {
        ConfiguredProposal(
            Proposal(
                securityProtocol: securityProtocol,
                transforms: text.split(separator: "-").map {
                    ProposalKeyword.transform(for: String($0))!
                }
            ),
            source: "\(file).yaml:\(line)"
        )
    }

    static func selectors(_ text: String) -> [TrafficSelector] {
        text.split(separator: " ").map { TrafficSelector(prefix: IPPrefix($0)!) }
    }
}
