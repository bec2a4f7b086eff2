internal import IKEMessages
internal import IPsecCrypto
package import IPsecPrimitives

/// Quick crash detection (RFC 6290): a token that only this end can make, given to the peer while
/// the SA is young, and shown to it when this end has forgotten the SA.
///
/// Token = prf(QCD_SECRET, SPIi | SPIr), with a secret that survives a restart (RFC 6290 §5.1).
extension IKEEngine {
    /// RFC 6290 §4.1: tokens are 16 to 128 octets.
    private static let tokenOctets = 16...128
    /// RFC 6290 §4.5: "the token taker MUST support at least four QCD_TOKEN notifications".
    private static let tokenLimit = 4

    /// What tokens are made from; the same after each restart. Without it none are made.
    package func useCrashSecret(_ secret: SecretBytes) { crashSecret = secret }

    private func crashToken(_ initiatorSPI: IKESPI, _ responderSPI: IKESPI) -> [UInt8]? {
        guard let crashSecret, let prf = PRF(.hmacSHA256) else { return nil }
        return prf.compute(key: crashSecret, initiatorSPI.bytes, responderSPI.bytes).copy()
    }

    /// QCD_TOKEN for the SA with these SPIs; nothing where this end makes none.
    func crashTokenPayload(_ initiatorSPI: IKESPI, _ responderSPI: IKESPI) -> [Payload] {
        guard let token = crashToken(initiatorSPI, responderSPI) else { return [] }
        return [.notify(NotifyPayload(crashToken: token))]
    }

    /// The peer's token, from an authentic message (RFC 6290 §4.2 to §4.4).
    func takeCrashToken(_ content: MessageContent, of sa: IKESA) {
        guard let token = content.notify(.quickCrashDetection)?.data,
            IKEEngine.tokenOctets.contains(token.count)
        else { return }
        sa.peerCrashToken = token
    }

    /// What goes with INVALID_IKE_SPI to a peer whose SA this end does not know (RFC 6290 §4.5).
    ///
    /// Nothing while either SPI is one of ours: a stranger that changes a flag or the other SPI
    /// must not learn the token of an SA that is there.
    func forgottenSAPayloads(_ header: MessageHeader) -> [Payload] {
        guard sas[header.initiatorSPI] == nil, sas[header.responderSPI] == nil,
            header.responderSPI != .zero
        else { return [] }
        return crashTokenPayload(header.initiatorSPI, header.responderSPI)
    }

    /// An answer that nothing protects to a request of ours: with the peer's token, the peer has
    /// lost the SA; without it, anybody may have sent it.
    func receiveCrashNotice(
        _ message: IKEMessage,
        from remote: Endpoint,
        _ sa: IKESA,
        at now: Instant
    ) {
        guard let content = MessageContent(message.payloads),
            content.notify(.invalidIKESPI) != nil
        else { return counters.drop(.unprotected) }
        guard hasShownToken(content, sa) else {
            counters.drop(.unprotected)
            return heedLoss(of: sa, toldFrom: remote)
        }
        // RFC 6290 §4.5: "the receiver MUST silently discard the IKE SA and all associated child
        // SAs".
        guard let state = sa.established else { return remember(sa, at: now) }
        end(sa, state, because: .peerRestarted, at: now)
        sas.forgetPeer(of: sa)
        discard(sa)
    }

    private func hasShownToken(_ content: MessageContent, _ sa: IKESA) -> Bool {
        guard let expected = sa.peerCrashToken else { return false }
        let shown = content.notifies.filter { $0.type == .quickCrashDetection }
            .prefix(IKEEngine.tokenLimit)
        var isRight = false
        for notify in shown where equalInConstantTime(notify.data, expected) { isRight = true }
        return isRight
    }

    /// RFC 7296 §2.21.4: no state changes, for it "might be a forgery". What it takes away is the time
    /// beyond the usual one that RFC 4555 §3.11 suggests for an initiator that looks for another path:
    /// one that answers from the path of now has found it. The usual tries all remain (§2.4).
    private func heedLoss(of sa: IKESA, toldFrom remote: Endpoint) {
        guard let mobility = sa.mobility, remote == sa.path.remote else { return }
        mobility.isDisowned = true
    }

    /// The initiator of a rekey tells the token of the new SA in an exchange of its own
    /// (RFC 6290 §4.3).
    func startTellingToken(of sa: IKESA, at now: Instant) {
        let payloads = crashTokenPayload(sa.initiatorSPI, sa.responderSPI)
        guard !payloads.isEmpty else { return }
        request(.tellCrashToken, .informational, payloads, of: sa, at: now)
    }
}

extension NotifyPayload {
    /// RFC 6290 §4.1: "Protocol ID (1 octet) MUST be 1".
    fileprivate init(crashToken token: [UInt8]) {
        self.init(.quickCrashDetection, data: token)
        securityProtocol = .ike
    }
}
