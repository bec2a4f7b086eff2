internal import IPsecPrimitives

/// Warns of an IKE proposal whose first message may be too large for the path
/// (draft-ietf-ipsecme-ikev2-mlkem-08 §2.1): IKE_SA_INIT cannot be fragmented by IKE.
enum FirstKeyExchangeCheck {
    static func run(_ connections: [ConnectionConfiguration], _ problems: Problems) {
        for connection in connections {
            for proposal in connection.ikeProposals {
                let large = proposal.value.keyExchangeMethods.first {
                    $0 == .mlkem768 || $0 == .mlkem1024
                }
                guard let large else { continue }
                let word = ProposalKeyword.name(of: .keyExchange(large))
                problems.warning(
                    at: proposal.location,
                    "\(word) as the first key exchange makes the first messages too large for many "
                        + "paths, and they cannot be fragmented by IKE",
                    hint: "write it as an additional one, as in x25519-ke1_\(word)"
                )
            }
        }
    }
}
