internal import Configuration
internal import IKECredentials
internal import IKEProtocol
internal import IPsecPrimitives

extension IKEConnection {
    /// The connection as the engine wants it.
    init(_ connection: ConnectionConfiguration) {
        self.init(
            name: connection.name,
            source: connection.location.description,
            localAddress: connection.localAddress.value,
            // Control says where each SA is begun to.
            remoteAddress: connection.onlyRemoteAddress,
            // A host with a name may be anywhere: what its name means now may not be known yet.
            remotePrefixes: connection.remoteAddresses.value.contains { $0.prefixes.isEmpty }
                ? [] : connection.remoteAddresses.value.flatMap(\.prefixes),
            localIdentity: Identity(connection.localIdentity.value),
            remoteIdentity: IdentityPattern(connection.remoteIdentity.value),
            proposals: connection.ikeProposals.map {
                ConfiguredProposal($0.value, source: $0.location.description)
            },
            children: connection.tunnels.map(ChildPolicy.init)
        )
        let peers = connection.remoteAddresses.value
        self.remoteNames = peers.compactMap { if case .name(let host) = $0 { host } else { nil } }
        if !self.remoteNames.isEmpty { self.prefixesBesideNames = peers.flatMap(\.prefixes) }
        self.localIdentitySource = connection.localIdentity.location.description
        self.remoteIdentitySource = connection.remoteIdentity.location.description
        self.secretSource = (connection.secretFile?.location ?? connection.location).description
        self.encapsulationSource = connection.encapsulation.location.description
        self.encapsulation = Encapsulation(connection.encapsulation.value)
        self.lifetime = SALifetime(ending: connection.lifetime.value)
        self.request = InternalRequest(connection.internalAddresses)
        self.assignment = connection.internalAddresses.assignment.map(InternalAssignment.init)
        self.livenessInterval = connection.liveness.value
        self.keepaliveInterval = connection.keepalive.value
        self.window = connection.window.value
        let establishment = connection.establishment
        self.fragmentSize = establishment.fragmentSize.value
        self.signsFullTranscript = establishment.preventsDowngrade.value
        self.ppk = establishment.ppk.map {
            PPKPolicy(
                identifier: Array($0.identifier.utf8),
                isRequired: $0.isRequired,
                source: $0.location.description
            )
        }
        self.resumption = ResumptionPolicy(establishment)
        self.childlessSource = establishment.childless.location.description
        self.childless = Childless(establishment.childless.value)
        self.mobility = MobilityPolicy(connection)
        self.transport = TransportPolicy(connection.paths)
        self.redirection = RedirectPolicy(connection.paths)
        self.reauthenticateAfter = connection.reauthenticateAfter.value
        self.duplicates = Duplicates(connection.duplicates.value)
        self.retransmission = RetransmissionSchedule(
            interval: connection.retransmission.initial,
            growthPerMille: Int(connection.retransmission.factor * 1000),
            tries: connection.retransmission.tries
        )
    }
}

extension IKEConnection.Encapsulation {
    fileprivate init(_ encapsulation: ConnectionConfiguration.Encapsulation) {
        self =
            switch encapsulation {
            case .automatic: .automatic
            case .udp: .udp
            case .esp: .esp
            }
    }
}

extension IKEConnection.Duplicates {
    fileprivate init(_ duplicates: ConnectionConfiguration.Duplicates) {
        self =
            switch duplicates {
            case .replace: .replace
            case .keep: .keep
            case .refuse: .refuse
            }
    }
}

extension Childless {
    fileprivate init(_ childless: EstablishmentConfiguration.Childless) {
        self =
            switch childless {
            case .never: .never
            case .allow: .allow
            case .prefer: .prefer
            case .force: .force
            }
    }
}

extension ChildPolicy {
    init(_ tunnel: TunnelConfiguration) {
        self.init(
            name: tunnel.name,
            source: tunnel.location.description,
            proposals: (tunnel.espProposals + tunnel.carriage.ahProposals).map {
                ConfiguredProposal($0.value, source: $0.location.description)
            },
            localSelectors: tunnel.local.map(\.value),
            remoteSelectors: tunnel.remote.map(\.value)
        )
        self.selectorsSource = (tunnel.local.first?.location ?? tunnel.location).description
        self.lifetime = SALifetime(ending: tunnel.lifetime.value)
        let carriage = tunnel.carriage
        self.mode = carriage.mode.value == .transport ? .transport : .tunnel
        self.compression = carriage.compression.map(\.value.transform)
        self.acceptsPadding = carriage.padding.value == .accept
        self.carriesLaterFragments = carriage.laterFragments.value
        self.populated = carriage.populated.value
        self.resources = carriage.resources.value
        self.codePointSets = carriage.codePointSets.value
        self.padsOutbound = carriage.padTo.value != .off
        self.aggregation = carriage.train.map {
            AggregationPolicy(
                isRequired: !$0.isOptional.value,
                source: $0.rate.location.description
            )
        }
    }
}

extension ResumptionPolicy {
    fileprivate init?(_ configuration: EstablishmentConfiguration) {
        guard configuration.isResumable.value else { return nil }
        self.init(
            ticketLifetime: configuration.ticketLifetime.value,
            source: configuration.isResumable.location.description
        )
    }
}

extension InternalRequest {
    fileprivate init?(_ configuration: InternalAddressConfiguration) {
        guard let first = configuration.requested.first else { return nil }
        self.init(
            versions: configuration.requested.map { $0.value == .ipv4 ? .v4 : .v6 },
            source: first.location.description
        )
    }
}

extension InternalAssignment {
    fileprivate init(_ configuration: InternalAddressConfiguration.Assignment) {
        var settings = InternalSettings()
        settings.nameServers = configuration.nameServers.map(\.value)
        settings.domains = configuration.domains.map(\.value)
        settings.networks = configuration.networks.map(\.value)
        self.init(
            addresses: configuration.addresses.map(\.value),
            settings: settings,
            isRequired: configuration.isRequired.value,
            source: configuration.location.description
        )
    }
}

extension CarriageConfiguration.Compression {
    /// IANA "IKEv2 IPComp Transform IDs".
    var transform: UInt8 {
        switch self {
        case .deflate: 2
        case .lzs: 3
        case .lzjh: 4
        }
    }
}

extension SALifetime {
    /// An SA that ends after `duration` and is replaced when nine tenths of it have passed, less
    /// up to a tenth at random.
    init(ending duration: Duration) {
        self.init(rekeyAfter: duration / 10 * 9, jitterPercent: 10, expireAfter: duration)
    }
}

extension Identity {
    /// Precondition: not `any`, which the configuration refuses for the local end.
    init(_ identity: IdentityConfiguration) {
        switch identity {
        case .fullyQualifiedDomainName(let name): self = .fullyQualifiedDomainName(name)
        case .address(.v4(let address)): self = .ipv4(address)
        case .address(.v6(let address)): self = .ipv6(address)
        case .mailAddress(let address): self = .emailAddress(address)
        case .keyID(let bytes): self = .keyID(bytes)
        case .any: preconditionFailure("a local identity that is not one")
        }
    }
}

extension IdentityPattern {
    init(_ identity: IdentityConfiguration) {
        self = identity == .any ? .any : .exactly(Identity(identity))
    }
}
