internal import IKEMessages
internal import IPsecPrimitives

/// MOBIKE in IKE_AUTH (RFC 4555 §3.2 to §3.4).
extension IKEEngine {
    /// What IKE_AUTH, request or response, carries for MOBIKE.
    func mobilityOffer(_ connection: IKEConnection, of sa: IKESA) -> [Payload] {
        guard connection.mobility.isOffered else { return [] }
        var payloads: [Payload] = [.notify(NotifyPayload(.mobikeSupported))]
        payloads += MobilityNotifies.additional(
            additionalAddresses(of: connection, besides: sa.path.local.address),
            saysNone: false
        )
        // RFC 4555 §3.9: in "the first IKE_AUTH request" when NAT traversal is not enabled.
        if sa.isOriginalInitiator, !sa.nat.isSupported, sa.path.transport == .udp {
            payloads.append(MobilityNotifies.noNATs(sa.path))
        }
        return payloads
    }

    /// Both ends have said that they support MOBIKE, or one has not.
    func beginMobility(of sa: IKESA, _ content: MessageContent) {
        guard sa.connection.mobility.isOffered, content.notify(.mobikeSupported) != nil else {
            return
        }
        let mobility = Mobility(
            isInitiator: sa.isOriginalInitiator,
            path: sa.path,
            peerAddresses: MobilityNotifies.additionalAddresses(content) ?? [],
            announced: additionalAddresses(of: sa.connection, besides: sa.path.local.address)
        )
        sa.mobility = mobility
        // There may be a better way by now than that on which it was begun.
        if sa.hasMissedAddresses, sa.connection.localAddress == nil {
            effects.append(.findRoute(remote: sa.path.remote.address))
        }
    }

    /// Our addresses besides the one in use, as the connection wants them told.
    func additionalAddresses(
        of connection: IKEConnection,
        besides used: IPAddress
    ) -> [IPAddress] {
        if let named = connection.mobility.additionalAddresses {
            return Array(
                named.filter { $0 != used && isLocal($0) }.prefix(Mobility.addressLimit)
            )
        }
        // An end bound to one address has no other.
        guard connection.localAddress == nil else { return [] }
        return Array(
            outerAddresses(of: connection).filter { $0 != used }
                .prefix(Mobility.addressLimit)
        )
    }

    /// Our addresses that a peer may reach, those inside the connection's own networks left out:
    /// what is protected is not the way to it.
    func outerAddresses(of connection: IKEConnection) -> [IPAddress] {
        (localAddresses ?? []).filter { $0.isReachableFromAfar && !connection.protects($0) }
    }
}

extension IKEConnection {
    /// Whether an address lies in a network behind this end; a selector of everything says nothing.
    fileprivate func protects(_ address: IPAddress) -> Bool {
        self.children.contains { child in
            child.localSelectors.contains { selector in
                selector.contains(address) && !selector.covers(.everything(address.version))
            }
        }
    }

    /// Single addresses of the peer that the configuration names.
    var knownRemoteAddresses: [IPAddress] {
        let hosts = self.remotePrefixes.filter { $0.length == $0.address.version.addressBits }
            .map(\.address)
        return [self.remoteAddress].compactMap(\.self) + hosts
    }
}

extension IPAddress {
    /// Neither unspecified nor of this host or link alone.
    var isReachableFromAfar: Bool {
        switch self {
        case .v4(let address):
            let first = address.bits >> 24
            return first != 0 && first != 127 && first < 224 && address.bits >> 16 != 0xA9FE
        case .v6(let address):
            let high = UInt64(truncatingIfNeeded: address.bits >> 64)
            let isLinkLocal = high >> 54 == 0xFE80 >> 6
            return high >> 56 != 0xFF && !isLinkLocal && address.bits > 1
        }
    }
}
