internal import IPsecPrimitives

/// What the proposals of a connection give away: weak algorithms, which need leave, and ESP that
/// does not encrypt, which is told.
struct ProposalSafety {
    /// `allow-weak` of the connection.
    let allowsWeak: Located<Bool>
    let connection: String
    let problems: Problems

    func check(ike: [Located<Proposal>]?, tunnels: [TunnelConfiguration]) {
        var isWeak = false
        for proposal in ike ?? [] { isWeak = checkWeak(proposal) || isWeak }
        for tunnel in tunnels {
            for proposal in tunnel.espProposals {
                isWeak = checkWeak(proposal) || isWeak
                checkEncryption(proposal, of: tunnel)
            }
            for proposal in tunnel.carriage.ahProposals { isWeak = checkWeak(proposal) || isWeak }
        }
        if allowsWeak.value, !isWeak {
            problems.warning(
                at: allowsWeak.location,
                "connection \"\(connection)\" allows weak algorithms and names none",
                hint: "remove allow-weak"
            )
        }
    }

    /// Whether there is something weak in it, which is an error without leave, and a warning with
    /// it: each check and each start says it again.
    private func checkWeak(_ proposal: Located<Proposal>) -> Bool {
        var isWeak = false
        for transform in proposal.value.transforms {
            guard let weakness = WeakAlgorithm(transform) else { continue }
            // A function that the integrity algorithm implies is told of with that.
            if transform.type == .pseudorandomFunction, isWeak { continue }
            isWeak = true
            let message = "\"\(ProposalKeyword.name(of: transform))\" \(weakness.reason)"
            if allowsWeak.value {
                problems.warning(
                    at: proposal.location,
                    message,
                    hint: "use \(weakness.instead) as soon as the peer can"
                )
            } else {
                problems.error(
                    at: proposal.location,
                    message,
                    hint: "use \(weakness.instead); if the peer of connection \"\(connection)\" "
                        + "has nothing better, write `allow-weak: true` there"
                )
            }
        }
        return isWeak
    }

    /// RFC 8221 §5: ESP with NULL encryption has its uses, and must be meant.
    private func checkEncryption(_ proposal: Located<Proposal>, of tunnel: TunnelConfiguration) {
        guard
            let transform = proposal.value.encryption.first(where: {
                !EncryptionAlgorithm(rawValue: $0.identifier).encrypts
            })
        else { return }
        problems.warning(
            at: proposal.location,
            "\"\(ProposalKeyword.name(of: transform))\" does not encrypt: who sees the packets of "
                + "tunnel \"\(tunnel.path)\" can read them",
            hint: "use aes256gcm16 or aes128gcm16, unless only authenticity is wanted"
        )
    }
}
