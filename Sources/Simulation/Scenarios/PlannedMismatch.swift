internal import IPsecPrimitives

extension PeeringPlan {
    /// Makes the two ends differ in one thing, which one of them has otherwise.
    mutating func set(_ mismatch: Mismatch, at end: Int) {
        self.mismatch = mismatch
        switch mismatch {
        // These are made with the tunnels.
        case .none, .header, .headerInUDP, .mode: break
        case .secret: ends[end].secret += "?"
        case .ikeEncryption:
            ike("aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha256-x25519", end)
        case .ikePRF:
            ike("aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha384-x25519", end)
        case .ikeIntegrity:
            ike("aes128-sha256-prfsha256-x25519", "aes128-sha512-prfsha256-x25519", end)
        case .ikeKeyExchange:
            ike("aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-ecp256", end)
        case .espEncryption: esp("aes128gcm16", "aes256gcm16", end)
        case .espIntegrity: esp("aes128-sha256", "aes128-sha512", end)
        case .espSequenceNumbers: esp("aes128gcm16-esn", "aes128gcm16-noesn", end)
        case .localIdentity: ends[end].localIdentity = "nobody-here.example"
        case .remoteIdentity: ends[end].remoteIdentity = "somebody-else.example"
        case .selectors:
            // Its own networks are others than the peer thinks.
            for tunnel in tunnels.indices {
                tunnels[tunnel].ends[end].local = [
                    SelectorPlan(network: IPPrefix("172.16.\(tunnel).0/24")!)
                ]
                tunnels[tunnel].ends[end].remote = [
                    SelectorPlan(network: IPPrefix("172.17.\(tunnel).0/24")!)
                ]
            }
        }
    }

    private mutating func ike(_ ours: String, _ theirs: String, _ end: Int) {
        ends[end].ikeProposals = [ours]
        ends[1 - end].ikeProposals = [theirs]
    }

    private mutating func esp(_ ours: String, _ theirs: String, _ end: Int) {
        for tunnel in tunnels.indices {
            tunnels[tunnel].ends[end].espProposals = [ours]
            tunnels[tunnel].ends[1 - end].espProposals = [theirs]
        }
    }
}
