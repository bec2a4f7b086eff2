internal import Configuration
internal import IKEMessages
internal import IPsecPrimitives
internal import PacketProtection

/// Where the packets of tunnels go when gateways move: not to an address at which the peer has not
/// been shown to be (RFC 4555 §3.7). Reckoned from the messages that were sent and that arrived.
struct PathChecks {
    private struct Request: Hashable {
        let gateway: Int
        let pair: SPIPair
        let number: UInt32
    }

    private struct Place: Hashable {
        let gateway: Int
        let address: IPAddress
    }

    /// Only where a gateway has two ways into the network.
    let isActive: Bool
    private let scenario: Scenario
    /// Where each request has gone to.
    private var destinations: [Request: Set<IPAddress>] = [:]
    /// Fingerprints of what gateways sent.
    private var genuine: Set<UInt64> = []
    /// When a peer last was shown to be at an address.
    private var proofs: [Place: UInt64] = [:]

    init(_ scenario: Scenario) {
        self.scenario = scenario
        isActive = scenario.gateways.contains { $0.second != nil }
    }

    mutating func sent(_ bytes: [UInt8], to address: IPAddress, by gateway: Int) {
        guard isActive, let header = try? WireHeader(reading: bytes).header else { return }
        genuine.insert(Fingerprint.of(bytes))
        guard !header.isResponse else { return }
        let request = Request(gateway: gateway, pair: SPIPair(header), number: header.messageID)
        destinations[request, default: []].insert(address)
    }

    mutating func received(
        _ bytes: [UInt8],
        from address: IPAddress,
        at gateway: Int,
        _ now: UInt64
    ) {
        guard isActive, let header = try? WireHeader(reading: bytes).header,
            genuine.contains(Fingerprint.of(bytes))
        else { return }
        if header.isResponse {
            // A request that went to several addresses shows nothing of any. That it was answered shows
            // where it arrived, whoever hands the answer over.
            let request = Request(
                gateway: gateway,
                pair: SPIPair(header),
                number: header.messageID
            )
            guard let asked = destinations[request], asked.count == 1 else { return }
            for place in asked { proofs[Place(gateway: gateway, address: place)] = now }
        } else if header.exchangeType == .ikeAuth {
            // Its sender has had our answer to its first request.
            proofs[Place(gateway: gateway, address: address)] = now
        }
    }

    /// Of packets in UDP, RFC 4555 §3.8 lets an end follow the peer's NAT by what comes from there.
    ///
    /// `before`: where the SA's packets have gone so far; nil for a new SA.
    func moved(
        _ path: OuterPath,
        from before: OuterPath?,
        _ tunnel: TunnelPath?,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        let address = path.remote.address
        guard isActive, address != before?.remote.address, path.encapsulation == .esp,
            let peering = scenario.peerings.first(where: { $0.name == tunnel?.connection }),
            peering.hasMobility
        else { return nil }
        let proof = proofs[Place(gateway: gateway, address: address)]
        guard before == nil ? proof == nil : proof != now else { return nil }
        return Violation(
            checker: .paths,
            text: "g\(gateway) sends packets of \(peering.name) to \(address), where the peer has "
                + "not been shown to be",
            time: now
        )
    }
}
