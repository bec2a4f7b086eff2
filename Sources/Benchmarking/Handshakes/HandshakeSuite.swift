internal import IPsecPrimitives

/// Algorithms to measure, as the configuration writes them.
package struct HandshakeSuite: Hashable, Sendable {
    package let ike: String
    package let esp: String

    /// Nil for words that no algorithm has.
    package init?(ike: String, esp: String = "aes256gcm16-noesn") {
        guard HandshakeSuite.transforms(ike) != nil, HandshakeSuite.transforms(esp) != nil else {
            return nil
        }
        self.ike = ike
        self.esp = esp
    }

    /// What is measured where nothing is asked for.
    package static let usual: [HandshakeSuite] = [
        "aes256gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519",
        "chacha20poly1305-prfsha256-x25519", "aes256-sha256-prfsha256-x25519",
        "aes256gcm16-prfsha384-ecp256", "aes256gcm16-prfsha384-ecp384",
        "aes256-sha256-prfsha256-modp2048", "aes256gcm16-prfsha256-x25519-ke1_mlkem768",
    ].compactMap { HandshakeSuite(ike: $0) }

    var ikeProposal: Proposal {
        Proposal(securityProtocol: .ike, transforms: HandshakeSuite.transforms(ike) ?? [])
    }

    var espProposal: Proposal {
        Proposal(securityProtocol: .esp, transforms: HandshakeSuite.transforms(esp) ?? [])
    }

    private static func transforms(_ text: String) -> [Transform]? {
        let words = text.split(separator: "-").map(String.init)
        let transforms = words.compactMap(ProposalKeyword.transform(for:))
        return transforms.count == words.count && !words.isEmpty ? transforms : nil
    }
}
