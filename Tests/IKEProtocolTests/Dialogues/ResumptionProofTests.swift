import IKECredentials
import IKEMessages
import IKEProtocol
import IPsecCrypto
import IPsecPrimitives
import Testing

/// What IKE_AUTH of a resumed IKE SA proves, and to whom (RFC 5723 §4.3.3).
@Suite("Proof in a resumed session")
struct ResumptionProofTests {
    /// IKE_SESSION_RESUME is over; `change` is done to the payloads of one of the two messages of
    /// IKE_AUTH, by somebody who has the keys.
    private func authenticate(
        changingRequest: Bool,
        _ change: @escaping (Payload) -> Payload
    ) -> ResumptionDialogue {
        var settings = EngineSettings()
        settings.exposesKeys = true
        let session = ResumptionDialogue(settings: settings)
        session.lose()
        session.dialogue.directedLink = { datagram, isFromLeft in
            guard isFromLeft == changingRequest,
                let keys = session.left.engine.exposedKeys.last
            else { return [datagram] }
            return [Forger(keys: keys).changed(datagram, change)]
        }
        session.dialogue.initiate()
        return session
    }

    private func isRefused(_ session: ResumptionDialogue) -> Bool {
        session.left.present.isEmpty
            && session.left.failures.contains {
                $0.subject == .refusedByPeer || $0.subject == .secret
            }
            && session.right.failures.contains { $0.subject == .resumption }
    }

    @Test("what is changed by nobody is believed: the change itself does no harm")
    func unchanged() {
        for isRequest in [true, false] {
            let session = authenticate(changingRequest: isRequest) { $0 }
            #expect(session.dialogue.agree())
        }
    }

    @Test("an initiator with a wrong AUTH is refused, and the old SA stays as it was")
    func wrongAuthentication() {
        let session = authenticate(changingRequest: true) { payload in
            guard case .authentication(var authentication) = payload else { return payload }
            authentication.data[0] ^= 1
            return .authentication(authentication)
        }
        #expect(isRefused(session))
        #expect(session.right.children.count == 1)
        #expect(session.right.establishedIKESAs.first?.isResumed == false)
    }

    @Test("an initiator that shows one ticket and claims another identity is refused")
    func otherIdentity() {
        let session = authenticate(changingRequest: true) { payload in
            guard case .identificationInitiator(let identity) = payload else { return payload }
            return .identificationInitiator(
                IdentificationPayload(type: identity.type, data: Array("boss.example".utf8))
            )
        }
        #expect(isRefused(session))
    }

    @Test("an initiator that asks for another identity of the gateway's is refused")
    func otherGatewayIdentity() {
        let session = authenticate(changingRequest: true) { payload in
            guard case .identificationResponder(let identity) = payload else { return payload }
            return .identificationResponder(
                IdentificationPayload(type: identity.type, data: Array("vault.example".utf8))
            )
        }
        #expect(isRefused(session))
    }

    @Test("a gateway with a wrong AUTH, or with another identity, is not believed")
    func wrongGateway() {
        let changes: [(Payload) -> Payload] = [
            { payload in
                guard case .authentication(var authentication) = payload else { return payload }
                authentication.data[5] ^= 0x80
                return .authentication(authentication)
            },
            { payload in
                guard case .identificationResponder(let identity) = payload else { return payload }
                return .identificationResponder(
                    IdentificationPayload(type: identity.type, data: Array("vault.example".utf8))
                )
            },
        ]
        for change in changes {
            let session = authenticate(changingRequest: false, change)
            #expect(session.left.present.isEmpty)
            #expect(!session.left.failures.isEmpty)
            // RFC 7296 §2.21.2: the gateway is told, and ends what it had.
            #expect(session.right.establishedIKESAs.isEmpty)
            // The ticket was used: the next IKE SA is made from scratch.
            session.dialogue.directedLink = nil
            #expect(session.tryAgain() == [.ikeSAInit])
        }
    }

    @Test("who stole a ticket on its way gets a half-open SA and nothing else")
    func stolen() throws {
        let session = ResumptionDialogue()
        session.lose()
        session.dialogue.begin(session.left)
        var stolen = try #require(session.left.outbox.first)
        let own = session.left.outbox
        session.left.outbox = []
        stolen.local.port = 40_000
        session.dialogue.deliver(stolen, to: session.right)
        let answer = try #require(session.right.outbox.first)
        let header = try WireHeader(reading: answer.bytes).header
        session.right.outbox = []
        let guess = try #require(
            Forger.guess(
                MessageHeader(
                    initiatorSPI: header.initiatorSPI,
                    responderSPI: header.responderSPI,
                    exchangeType: .ikeAuth,
                    isFromOriginalInitiator: true,
                    isResponse: false,
                    messageID: 1
                )
            )
        )
        var forged = stolen
        forged.bytes = guess
        let before = session.right.engine.counters.dropped(.unauthentic)
        session.dialogue.deliver(forged, to: session.right)
        #expect(session.right.engine.counters.dropped(.unauthentic) == before + 1)
        #expect(session.right.outbox.isEmpty)
        // The peer resumes all the same.
        session.left.outbox = own
        session.dialogue.settle()
        #expect(session.dialogue.agree() && session.isResumed(session.right))
        #expect(session.right.establishedIKESAs.first?.remoteIdentity == "left.example")
    }
}

/// What IKE_AUTH of an IKE SA that resumes nothing proves (RFC 7296 §2.15).
@Suite("Proof in a session of its own")
struct FirstProofTests {
    /// `change` is done to the payloads of one of the two messages of IKE_AUTH.
    private func authenticate(
        changingRequest: Bool,
        against right: Setup = Setup().mirrored,
        _ change: @escaping (Payload) -> Payload
    ) -> Dialogue {
        var settings = EngineSettings()
        settings.exposesKeys = true
        let dialogue = Dialogue(Setup(), right, settings: settings)
        let left = dialogue.left
        // Who the peer has to be is for its connection to say, not for the secrets.
        dialogue.configureSecretForAnyone(at: left, Setup())
        dialogue.directedLink = { datagram, isFromLeft in
            guard isFromLeft == changingRequest, let keys = left.engine.exposedKeys.last else {
                return [datagram]
            }
            return [Forger(keys: keys).changed(datagram, change)]
        }
        dialogue.initiate()
        return dialogue
    }

    @Test("what is changed by nobody is believed", arguments: [true, false])
    func unchanged(isRequest: Bool) {
        #expect(authenticate(changingRequest: isRequest) { $0 }.agree())
    }

    @Test("an AUTH of the right length that proves nothing is refused", arguments: [true, false])
    func wrongAuthentication(isRequest: Bool) {
        let dialogue = authenticate(changingRequest: isRequest) { payload in
            guard case .authentication(var authentication) = payload else { return payload }
            authentication.data[0] ^= 1
            return .authentication(authentication)
        }
        let deceived = isRequest ? dialogue.right : dialogue.left
        #expect(deceived.count { if case .ikeSAEstablished = $0 { true } else { false } } == 0)
        #expect(deceived.count { if case .childSAEstablished = $0 { true } else { false } } == 0)
        #expect(!dialogue.agree())
    }
    /// RFC 7296 §1.2: a responder "might use some other IDr to finish the exchange", and AUTH of the
    /// request does not cover that payload. It is for the initiator not to accept that (RFC 4301
    /// §4.4.3), even of one that has proven to be somebody for whom there is a secret.
    @Test(
        "a responder that proves another identity than the configured one is refused",
        arguments: ["other.example", "right@example", "192.0.2.2", "2001:db8::2"]
    )
    func otherIdentity(name: String) throws {
        var right = Setup().mirrored
        right.localIdentity = name
        let identity = try #require(Identity(name))
        let dialogue = authenticate(changingRequest: true, against: right) { payload in
            guard case .identificationResponder = payload else { return payload }
            return .identificationResponder(
                IdentificationPayload(
                    type: IdentificationType(rawValue: identity.wireType),
                    data: identity.wireContent
                )
            )
        }
        #expect(
            dialogue.right.count { if case .ikeSAEstablished = $0 { true } else { false } } == 1
        )
        let deceived = dialogue.left
        #expect(deceived.count { if case .ikeSAEstablished = $0 { true } else { false } } == 0)
        #expect(deceived.present.isEmpty)
        #expect(deceived.failures.map(\.subject) == [.identity])
        #expect(dialogue.right.establishedIKESAs.isEmpty && dialogue.right.present.isEmpty)
    }
}

/// Reads and writes messages of an IKE SA with its keys.
private struct Forger {
    let keys: ExposedKeys

    func changed(_ datagram: IKEDatagram, _ change: (Payload) -> Payload) -> IKEDatagram {
        guard let message = try? IKEMessage(reading: datagram.bytes),
            message.header.exchangeType == .ikeAuth,
            case .encrypted(let encrypted) = message.protection,
            let cipher = cipher(message.header.isFromOriginalInitiator),
            let plaintext = try? cipher.open(
                encrypted.content[...],
                associatedData: encrypted.associatedData[...]
            ),
            let payloads = try? encrypted.payloads(in: plaintext)
        else { return datagram }
        var forged = datagram
        forged.bytes =
            Forger.sealed(message.header, payloads.map(change), cipher) ?? datagram.bytes
        return forged
    }

    private func cipher(_ isInitiator: Bool) -> IKECipher? {
        let keys = self.keys.keys
        return try? IKECipher(
            suite: self.keys.cipherSuite,
            encryptionKey: isInitiator ? keys.encryptionInitiator : keys.encryptionResponder,
            integrityKey: isInitiator ? keys.integrityInitiator : keys.integrityResponder
        )
    }

    private static func sealed(
        _ header: MessageHeader,
        _ payloads: [Payload],
        _ cipher: IKECipher
    ) -> [UInt8]? {
        try? IKEMessage.serialise(
            header,
            protected: payloads,
            lengths: SealingLengths(
                initialisationVector: cipher.ivLength,
                block: cipher.blockLength,
                integrityCheckValue: cipher.icvLength
            )
        ) { (plaintext, associatedData) throws(CryptoError) in
            try cipher.seal(
                plaintext,
                associatedData: associatedData,
                iv: [UInt8](repeating: 0x77, count: cipher.ivLength)
            )
        }
    }

    /// A message under keys that are nobody's.
    static func guess(_ header: MessageHeader) -> [UInt8]? {
        guard
            let suite = CipherSuite(
                encryption: Transform(type: .encryption, identifier: 20, keyLengthBits: 256),
                integrity: nil
            ),
            let cipher = try? IKECipher(
                suite: suite,
                encryptionKey: SecretBytes([UInt8](repeating: 1, count: 36)),
                integrityKey: SecretBytes([])
            )
        else { return nil }
        return sealed(
            header,
            [
                .identificationInitiator(
                    IdentificationPayload(type: .fqdn, data: [65])
                )
            ],
            cipher
        )
    }
}
