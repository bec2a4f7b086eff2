import Foundation
import IKECredentials
import IKEMessages
import IPsecCrypto
import IPsecPrimitives
import Inspection
import Testing

import enum Crypto.P256

/// Every key of strongSwan's recordings, derived anew; and with these keys every integrity check
/// value, IntAuth and AUTH.
@Suite struct CaptureSecretsTests {
    /// The keys of one IKE SA from one key exchange on.
    private struct Generation {
        let initiatorSPI: IKESPI
        let responderSPI: IKESPI
        let keys: IKEKeys
        let suite: CipherSuite

        func cipher(fromInitiator: Bool) throws -> IKECipher {
            try IKECipher(
                suite: suite,
                encryptionKey: fromInitiator ? keys.encryptionInitiator : keys.encryptionResponder,
                integrityKey: fromInitiator ? keys.integrityInitiator : keys.integrityResponder
            )
        }
    }

    /// The secret of a key exchange, from each private value that is known.
    private func secret(_ exchange: RecordedSecrets.KeyExchange) throws -> SecretBytes {
        let method = KeyExchangeMethod(rawValue: exchange.method)
        func agree(_ privateValue: String?, _ ours: String, _ theirs: String) throws -> [UInt8]? {
            guard let privateValue else { return nil }
            var random: any RandomSource = GivenRandomSource(content: octets(privateValue))
            let pair = try KeyExchangeKeyPair.generate(method, random: &random)
            #expect(pair.publicValue == octets(ours))
            return try pair.sharedSecret(with: octets(theirs)).copy()
        }
        let (initiator, responder) = (
            exchange.exchangeInitiatorKeData, exchange.exchangeResponderKeData
        )
        let secrets = [
            try agree(exchange.exchangeInitiatorPrivate, initiator, responder),
            try agree(exchange.exchangeResponderPrivate, responder, initiator),
            try agree(exchange.exchangeInitiatorPrivateSeedDZ, initiator, responder),
        ].compactMap(\.self)
        #expect(!secrets.isEmpty && secrets.allSatisfy { $0 == octets(exchange.sharedSecret) })
        return SecretBytes(octets(exchange.sharedSecret))
    }

    /// All generations of all IKE SAs, each checked against the recorded keys.
    private func generations(
        _ secrets: RecordedSecrets
    ) throws -> [(name: String, generation: Generation)] {
        let prf = try secrets.prf
        let suite = try RecordedSecrets.suite(
            secrets.ike.encr,
            secrets.ike.encrKeyBits,
            secrets.ike.integ
        )
        var result: [(String, Generation)] = []
        for sa in secrets.ikeSas {
            let initiatorSPI = spi(sa.spiI)
            let responderSPI = spi(sa.spiR)
            for derivation in sa.derivations {
                let context = IKEKeys.Context(
                    nonceInitiator: octets(derivation.ni),
                    nonceResponder: octets(derivation.nr),
                    spiInitiator: initiatorSPI,
                    spiResponder: responderSPI
                )
                let agreed = try derivation.keyExchanges.map(secret)
                let keys =
                    if let old = result.last?.1.keys {
                        IKEKeys.deriveRekeyed(
                            oldPRF: prf,
                            oldDerivation: old.derivation,
                            prf: prf,
                            cipherSuite: suite,
                            context: context,
                            sharedSecret: agreed[0],
                            additional: Array(agreed.dropFirst())
                        )
                    } else {
                        IKEKeys.derive(
                            prf: prf,
                            cipherSuite: suite,
                            context: context,
                            sharedSecret: agreed[0]
                        )
                    }
                #expect(keys.derivation.copy() == octets(derivation.skD))
                #expect(keys.integrityInitiator.copy() == octets(derivation.skAi))
                #expect(keys.integrityResponder.copy() == octets(derivation.skAr))
                #expect(keys.encryptionInitiator.copy() == octets(derivation.skEi))
                #expect(keys.encryptionResponder.copy() == octets(derivation.skEr))
                #expect(keys.authenticationInitiator.copy() == octets(derivation.skPi))
                #expect(keys.authenticationResponder.copy() == octets(derivation.skPr))
                result.append(
                    (
                        sa.name,
                        Generation(
                            initiatorSPI: initiatorSPI,
                            responderSPI: responderSPI,
                            keys: keys,
                            suite: suite
                        )
                    )
                )
            }
        }
        return result
    }

    private func spi(_ text: String) -> IKESPI {
        IKESPI(rawValue: octets(text).reduce(0) { $0 << 8 | UInt64($1) })
    }

    @Test(arguments: RecordedSecrets.names)
    func keysOfIKESAs(name: String) throws {
        let secrets = try RecordedSecrets.read(name)
        #expect(
            try generations(secrets).count == secrets.ikeSas.reduce(0) { $0 + $1.derivations.count }
        )
    }

    @Test(arguments: RecordedSecrets.names)
    func keysOfChildSAs(name: String) throws {
        let secrets = try RecordedSecrets.read(name)
        let generations = try generations(secrets)
        for child in secrets.childSas {
            let parent = try #require(generations.last { $0.name == child.parentIkeSa })
            let agreed = try child.keyExchanges.map(secret)
            let keys = ChildKeys.derive(
                prf: try secrets.prf,
                derivation: parent.generation.keys.derivation,
                cipherSuite: try RecordedSecrets.suite(
                    child.encr,
                    child.encrKeyBits,
                    child.integ
                ),
                nonceInitiator: octets(child.ni),
                nonceResponder: octets(child.nr),
                sharedSecret: agreed.first,
                additional: Array(agreed.dropFirst())
            )
            for (derived, recorded) in [
                (keys.initiatorToResponder, child.initiatorToResponder),
                (keys.responderToInitiator, child.responderToInitiator),
            ] {
                #expect(
                    derived.encryption.copy() == octets(recorded.encrKey) + octets(recorded.salt)
                )
                #expect(derived.integrity.copy() == octets(recorded.integKey))
            }
        }
    }

    /// The messages, opened with keys that were derived here.
    private func open(
        _ exchange: RecordedExchange,
        _ generations: [Generation]
    ) throws -> [(header: MessageHeader, message: OpenedMessage, keys: IKEKeys)] {
        var opened: [(MessageHeader, OpenedMessage, IKEKeys)] = []
        var fragments = FragmentReassembly()
        for bytes in exchange.messages {
            let message = try IKEMessage(reading: bytes)
            let header = message.header
            let ours = generations.filter {
                $0.initiatorSPI == header.initiatorSPI && $0.responderSPI == header.responderSPI
            }
            var count = 0
            for generation in ours where message.protection != .none {
                let cipher = try generation.cipher(fromInitiator: header.isFromOriginalInitiator)
                func opener(_ data: [UInt8], _ content: [UInt8]) throws(CryptoError) -> [UInt8] {
                    try cipher.open(content[...], associatedData: data[...])
                }
                switch message.protection {
                case .none: break
                case .encrypted(let payload):
                    guard let content = try? payload.openContent(with: opener) else { continue }
                    opened.append((header, payload.message(holding: content), generation.keys))
                    count += 1
                case .fragment(let fragment):
                    guard let chunk = try? fragment.openChunk(with: opener) else { continue }
                    if let whole = try fragments.add(fragment, holding: chunk) {
                        opened.append((header, whole, generation.keys))
                        fragments = FragmentReassembly()
                    }
                    count += 1
                }
            }
            // The check value is right with one set of keys, and with no other.
            #expect(count == (message.protection == .none ? 0 : 1))
        }
        return opened
    }

    @Test(arguments: RecordedSecrets.names)
    func authentication(name: String) throws {
        let secrets = try RecordedSecrets.read(name)
        let exchange = try RecordedExchange(name)
        let opened = try open(exchange, generations(secrets).map(\.generation))
        let prf = try secrets.prf

        var intermediate = IntermediateAuthentication()
        let exchanges = opened.filter { $0.header.exchangeType == .ikeIntermediate }
        let derivations = secrets.ikeSas[0].derivations.filter { $0.intAuth != nil }
        #expect(exchanges.count == 2 * derivations.count)
        for (index, derivation) in derivations.enumerated() {
            let (request, response) = (exchanges[2 * index], exchanges[2 * index + 1])
            #expect(!request.header.isResponse && response.header.isResponse)
            intermediate.add(
                request: request.message.authenticatedOctets,
                response: response.message.authenticatedOctets,
                prf: prf,
                keys: request.keys
            )
            #expect(intermediate.initiator == octets(derivation.intAuth?.initiatorValue))
            #expect(intermediate.responder == octets(derivation.intAuth?.responderValue))
        }

        let first = try exchange.messages.map { (try IKEMessage(reading: $0), $0) }
            .filter { $0.0.header.exchangeType == .ikeSAInit }
        let auth = opened.filter { $0.header.exchangeType == .ikeAuth }
        for isResponse in [false, true] {
            let sent = try #require(auth.first { $0.header.isResponse == isResponse })
            let own = try #require(first.last { $0.0.header.isResponse == isResponse })
            let other = try #require(first.last { $0.0.header.isResponse != isResponse })
            let end = isResponse ? secrets.auth.responder : secrets.auth.initiator
            let keys = sent.keys
            let signed = PresharedKeyAuthentication.SignedOctets(
                message: own.1,
                peerNonce: try #require(other.0.payloads.nonce),
                identityBody: octets(end.idPayloadBody),
                authenticationKey: isResponse
                    ? keys.authenticationResponder : keys.authenticationInitiator,
                intermediate: intermediate.octets(authMessageID: sent.header.messageID)
            )
            #expect(signed.octets(prf: prf) == octets(end.signedOctets))
            let payloads = try sent.message.content.payloads()
            let payload = try #require(payloads.authentication)
            #expect(payload.method.rawValue == end.authMethod)
            if let secret = secrets.pskHex, payload.method == .sharedKey {
                let code = PresharedKeyAuthentication.code(
                    secret: SecretBytes(octets(secret)),
                    signing: signed,
                    prf: prf
                )
                #expect(code == octets(end.authData) && code == payload.data)
            } else {
                try checkSignature(payload.data, signed.octets(prf: prf), payloads)
            }
        }
    }

    /// A signature by ECDSA is another each time: it is verified with the key of the certificate.
    private func checkSignature(
        _ data: [UInt8],
        _ signed: [UInt8],
        _ payloads: [Payload]
    ) throws {
        let certificate = try #require(payloads.certificate)
        // A BIT STRING of 66 octets, no bit unused, that holds an uncompressed point.
        let mark: [UInt8] = [0x03, 0x42, 0x00, 0x04]
        let start = try #require(
            certificate.indices.first { certificate[$0...].starts(with: mark) }
        )
        let key = try P256.Signing.PublicKey(
            rawRepresentation: certificate[(start + 4)..<(start + 68)]
        )
        // RFC 7427 §3: the length of the algorithm's identifier, the identifier, the signature.
        let signature = try P256.Signing.ECDSASignature(
            derRepresentation: data.dropFirst(1 + Int(data[0]))
        )
        #expect(key.isValidSignature(signature, for: signed))
    }
}

extension [Payload] {
    fileprivate var nonce: [UInt8]? {
        for case .nonce(let payload) in self { return payload.nonce }
        return nil
    }

    fileprivate var authentication: AuthenticationPayload? {
        for case .authentication(let payload) in self { return payload }
        return nil
    }

    fileprivate var certificate: [UInt8]? {
        for case .certificate(let payload) in self { return payload.data }
        return nil
    }
}
