internal import IKEMessages
package import IPsecPrimitives

// Addresses and other settings of the inside that one end gives the other (RFC 7296 §2.19, §3.15).

/// What is told of the inside beside an address.
package struct InternalSettings: Hashable, Sendable {
    /// Servers of the inside for names.
    package var nameServers: [IPAddress] = []
    /// Domains whose names these servers know (RFC 8598).
    package var domains: [String] = []
    /// What can be reached through the gateway that tells of it (RFC 7296 §3.15.2).
    package var networks: [IPPrefix] = []
    /// What else the peer tells, in words.
    package var others: [String] = []

    package init() {}
}

/// What a responder gives to whoever asks.
package struct InternalAssignment: Hashable, Sendable {
    /// Each goes to one IKE SA at a time; the first that is free is taken.
    package var addresses: [IPAddress]
    /// Told whether asked for or not.
    package var settings: InternalSettings
    /// Whether a peer that does not ask gets no Child SA (FAILED_CP_REQUIRED).
    package var isRequired: Bool
    /// `file:line`.
    package var source: String

    package init(
        addresses: [IPAddress],
        settings: InternalSettings = InternalSettings(),
        isRequired: Bool = false,
        source: String
    ) {
        self.addresses = addresses
        self.settings = settings
        self.isRequired = isRequired
        self.source = source
    }
}

/// What an initiator asks for.
package struct InternalRequest: Hashable, Sendable {
    /// One address of each of these versions; at least one of them is needed.
    package var versions: [IPVersion]
    /// `file:line`.
    package var source: String

    package init(versions: [IPVersion], source: String) {
        self.versions = versions
        self.source = source
    }

    /// RFC 7296 §2.19: at least an address, and what makes use of it.
    var payload: ConfigurationPayload {
        ConfigurationPayload(
            .request,
            versions.flatMap { version -> [ConfigurationAttribute] in
                version == .v4
                    ? [.ip4Address(nil), .ip4Netmask(nil), .ip4DNS(nil), .ip4Subnet(nil)]
                    : [.ip6Address(nil), .ip6DNS(nil)]
            } + [.dnsDomain(nil)]
        )
    }
}

extension IKEEngine {
    /// The settings that go with our answer, for a peer that asks; nil where there are none.
    func assign(
        _ content: MessageContent,
        to sa: IKESA,
        _ state: Established
    ) throws(ChildRefusal) -> ConfigurationPayload? {
        guard let assignment = sa.connection.assignment else { return nil }
        guard let request = content.configuration, request.type == .request else {
            // RFC 7296 §2.19. Addresses that were given hold for later Child SAs as well.
            if assignment.isRequired, state.internalAddresses.isEmpty {
                throw ChildRefusal(.failedCPRequired, InternalFailure.notAsked(assignment))
            }
            return nil
        }
        return try reply(to: request, assignment, sa, state)
    }

    private func reply(
        to request: ConfigurationPayload,
        _ assignment: InternalAssignment,
        _ sa: IKESA,
        _ state: Established
    ) throws(ChildRefusal) -> ConfigurationPayload {
        var attributes: [ConfigurationAttribute] = []
        var isAddressAsked = false
        for version in [IPVersion.v4, .v6] {
            let wishes = request.content.compactMap { $0.wish(for: version) }
            guard !wishes.isEmpty else { continue }
            // RFC 7296 §3.15.4: a version that is not given out at all is ignored.
            guard assignment.addresses.contains(where: { $0.version == version }) else { continue }
            isAddressAsked = true
            // The same again, for a Child SA more of one IKE SA.
            var given = state.internalAddresses.filter { $0.version == version }
            if given.isEmpty {
                given = free(assignment, version, wishes, for: sa, state)
                state.internalAddresses += given
            }
            attributes += given.map(ConfigurationAttribute.init(assigned:))
        }
        if isAddressAsked, attributes.isEmpty {
            throw ChildRefusal(.internalAddressFailure, InternalFailure.exhausted(assignment))
        }
        attributes += assignment.settings.attributes
        if request.content.contains(.supportedAttributes([])) {
            attributes.append(.supportedAttributes(ConfigurationAttribute.supported))
        }
        if !state.internalAddresses.isEmpty {
            report(.addressesAssigned(state.internalAddresses), of: sa)
        }
        return ConfigurationPayload(.reply, attributes)
    }

    /// As many as are asked for and free: those that the peer names first, then in order.
    private func free(
        _ assignment: InternalAssignment,
        _ version: IPVersion,
        _ wishes: [ConfigurationAttribute.Wish],
        for sa: IKESA,
        _ state: Established
    ) -> [IPAddress] {
        var taken: Set<IPAddress> = []
        for other in sas.ofConnection(sa.connection.name) where other !== sa {
            // A peer that comes again gets what it had; its older SA is dead or soon replaced.
            guard let holder = other.established, holder.remoteIdentity != state.remoteIdentity
            else { continue }
            taken.formUnion(holder.internalAddresses)
        }
        let possible = assignment.addresses.filter {
            $0.version == version && !taken.contains($0)
        }
        let named = wishes.compactMap(\.address).filter(possible.contains)
        return Array((named + possible.filter { !named.contains($0) }).prefix(wishes.count))
    }

    /// CFG_REQUEST and CFG_SET outside of any Child SA (RFC 7296 §2.20, §3.15.1).
    func answerConfiguration(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: Established
    ) -> [Payload] {
        guard let payload = content.configuration else { return [] }
        switch payload.type {
        case .request:
            guard let assignment = sa.connection.assignment else {
                return [.configuration(ConfigurationPayload(.reply, []))]
            }
            do throws(ChildRefusal) {
                return [.configuration(try reply(to: payload, assignment, sa, state))]
            } catch {
                report(.refused(error.failure), of: sa)
                return [.notify(error.notify)]
            }
        // "If no attributes were accepted, the responder MUST return ... an empty CFG_ACK".
        case .set: return [.configuration(ConfigurationPayload(.acknowledgement, []))]
        default: return []
        }
    }

    /// What the peer's answer gives us, where we asked.
    func takeConfiguration(
        _ content: MessageContent,
        _ offer: ChildOffer,
        _ sa: IKESA,
        _ state: Established
    ) throws(NegotiationFailure) {
        guard offer.asksForAddress, let request = sa.connection.request else { return }
        guard let reply = content.configuration, reply.type == .reply else {
            // RFC 7296 §3.15.4: "it will treat a response without CFG_REPLY as an error".
            throw InternalFailure.noReply(request)
        }
        let addresses = reply.content.compactMap(\.assigned).filter {
            request.versions.contains($0.version)
        }
        guard !addresses.isEmpty else { throw InternalFailure.noAddress(request) }
        state.internalAddresses = addresses
        report(
            .configurationReceived(addresses, InternalSettings(reply.content)),
            of: sa
        )
    }
}

extension [ChildPolicy] {
    /// What is left for a peer that was given addresses: its side is these.
    func reaching(_ addresses: [IPAddress]) -> [ChildPolicy] {
        if addresses.isEmpty { return self }
        let hosts = addresses.map(TrafficSelector.init(address:))
        return map { policy in
            var policy = policy
            policy.remoteSelectors = policy.remoteSelectors.flatMap { selector in
                hosts.compactMap(selector.intersection)
            }
            return policy
        }
    }
}

extension ChildPolicy {
    /// The same for the end that was given them, once it has them.
    func coming(from addresses: [IPAddress]) -> ChildPolicy {
        var policy = self
        let hosts = addresses.map(TrafficSelector.init(address:))
        policy.localSelectors = self.localSelectors.flatMap { selector in
            hosts.compactMap(selector.intersection)
        }
        return policy.localSelectors.isEmpty ? self : policy
    }
}

extension InternalSettings {
    fileprivate var attributes: [ConfigurationAttribute] {
        nameServers.map { server -> ConfigurationAttribute in
            switch server {
            case .v4(let address): .ip4DNS(address)
            case .v6(let address): .ip6DNS(address)
            }
        } + domains.map(ConfigurationAttribute.dnsDomain)
            + networks.map { $0.version == .v4 ? .ip4Subnet($0) : .ip6Subnet($0) }
    }

    fileprivate init(_ attributes: [ConfigurationAttribute]) {
        for attribute in attributes {
            switch attribute {
            case .ip4DNS(let address?): nameServers.append(.v4(address))
            case .ip6DNS(let address?): nameServers.append(.v6(address))
            case .ip4Subnet(let network?), .ip6Subnet(let network?): networks.append(network)
            case .dnsDomain(let domain?): domains.append(domain)
            case .ip4Address, .ip6Address, .ip4DNS, .ip6DNS, .ip4Subnet, .ip6Subnet, .dnsDomain:
                break
            default: others.append("\(attribute.type) \(attribute)")
            }
        }
    }
}

extension ConfigurationAttribute {
    /// A request for an address; `address` where it names one.
    struct Wish {
        let address: IPAddress?
    }

    /// What we tell of, asked for SUPPORTED_ATTRIBUTES.
    static let supported: [ConfigurationAttributeType] = [
        .internalIP4Address, .internalIP4Netmask, .internalIP4DNS, .internalIP6Address,
        .internalIP6DNS, .internalIP4Subnet, .supportedAttributes, .internalIP6Subnet,
        .internalDNSDomain,
    ]

    fileprivate func wish(for version: IPVersion) -> Wish? {
        switch (self, version) {
        case (.ip4Address(let address), .v4): Wish(address: address.map(IPAddress.v4))
        case (.ip6Address(let address), .v6):
            Wish(address: address.map { IPAddress.v6($0.address) })
        default: nil
        }
    }

    fileprivate init(assigned address: IPAddress) {
        switch address {
        case .v4(let address): self = .ip4Address(address)
        case .v6(let address):
            self = .ip6Address(InterfaceAddress(address: address, prefixLength: 128))
        }
    }

    fileprivate var assigned: IPAddress? {
        switch self {
        case .ip4Address(let address): address.map(IPAddress.v4)
        case .ip6Address(let address): address.map { IPAddress.v6($0.address) }
        default: nil
        }
    }
}

/// Words for addresses that are not given or not taken.
enum InternalFailure {
    static func notAsked(_ assignment: InternalAssignment) -> NegotiationFailure {
        NegotiationFailure(
            subject: .internalAddress,
            explanation: "The peer does not ask for an address of the inside, which it must have "
                + "(FAILED_CP_REQUIRED).",
            accepted: assignment.addresses.map(\.description),
            source: assignment.source,
            remedy: "Have the peer ask for one, or write `required: false` at "
                + "\(assignment.source)."
        )
    }

    static func exhausted(_ assignment: InternalAssignment) -> NegotiationFailure {
        NegotiationFailure(
            subject: .internalAddress,
            explanation: "Every address of the inside is given to another peer "
                + "(INTERNAL_ADDRESS_FAILURE).",
            accepted: assignment.addresses.map(\.description),
            source: assignment.source,
            remedy: "Add addresses at \(assignment.source)."
        )
    }

    static func noReply(_ request: InternalRequest) -> NegotiationFailure {
        NegotiationFailure(
            subject: .internalAddress,
            explanation: "The peer does not answer the request for an address of the inside.",
            source: request.source,
            remedy: "Have the peer assign addresses, or remove what \(request.source) asks for."
        )
    }

    static func noAddress(_ request: InternalRequest) -> NegotiationFailure {
        NegotiationFailure(
            subject: .internalAddress,
            explanation: "The peer's answer holds no address of the inside of a version that is "
                + "asked for.",
            offered: request.versions.map { $0 == .v4 ? "ipv4" : "ipv6" },
            source: request.source,
            remedy: "Ask for the other version at \(request.source), or have the peer assign one."
        )
    }

    /// INTERNAL_ADDRESS_FAILURE or FAILED_CP_REQUIRED of the peer.
    static func refused(
        isRequired: Bool,
        _ policy: ChildPolicy,
        _ request: InternalRequest?
    ) -> NegotiationFailure {
        let source = request?.source ?? policy.source
        return NegotiationFailure(
            subject: .internalAddress,
            explanation: isRequired
                ? "The peer wants this end to ask for an address of the inside "
                    + "(FAILED_CP_REQUIRED)."
                : "The peer has no address of the inside for this end (INTERNAL_ADDRESS_FAILURE).",
            source: source,
            remedy: isRequired
                ? "Write `request-address: ipv4` or `ipv6` in the connection of \(source)."
                : "Have the peer's pool enlarged; until then this end tries again."
        )
    }
}
