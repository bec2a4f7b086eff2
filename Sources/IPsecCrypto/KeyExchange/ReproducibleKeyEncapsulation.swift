package import IPsecPrimitives

/// A stand-in for ML-KEM, and if wanted for the curves, whose every byte comes from the random
/// source that it is given, and which costs next to nothing.
///
/// For tests and simulation, with values of the right lengths, for both ends of a negotiation.
/// Never for keys that protect anything: whoever sees the responder's value knows the secret.
package struct ReproducibleKeyEncapsulation: KeyEncapsulationProvider {
    private let standsInForCurves: Bool

    /// - Parameter standsInForCurves: in place of curve25519, ecp256 and ecp384 too; as much
    ///   randomness is drawn for them as without.
    package init(standsInForCurves: Bool = false) {
        self.standsInForCurves = standsInForCurves
    }

    package func carries(_ method: KeyExchangeMethod) -> Bool {
        method.isKeyEncapsulation || standsInForCurves && StandInForm.ofCurve(method) != nil
    }

    package func decapsulationKey(
        _ method: KeyExchangeMethod,
        random: inout any RandomSource
    ) throws(CryptoError) -> any DecapsulationKey {
        let form = try StandInForm(method)
        return ReproducibleKey(form, seed: random.bytes(form.randomOctets))
    }

    package func encapsulate(
        _ method: KeyExchangeMethod,
        to publicValue: [UInt8],
        random: inout any RandomSource
    ) throws(CryptoError) -> KeyExchangeAnswer {
        let form = try StandInForm(method)
        let message = form.significant(Array(random.bytes(form.randomOctets).prefix(32)))
        guard publicValue.count == form.key, form.isValid(publicValue) else {
            throw .invalidPublicValue
        }
        let key = form.significant(publicValue)
        return KeyExchangeAnswer(
            publicValue: form.ciphertext(message, to: key),
            secret: StandInForm.secret(message, of: key)
        )
    }
}

/// What the values of a method look like.
private struct StandInForm {
    let key: Int
    let ciphertext: Int
    var randomOctets = 32
    /// Whether most numbers are no point, so that damage is noticed.
    var isChecked = false
    /// The last bit does not count (RFC 7748 §5).
    var ignoresLastBit = false

    private static let checkOctets = 8

    init(_ method: KeyExchangeMethod) throws(CryptoError) {
        switch method {
        case .mlkem768: self.init(key: 1184, ciphertext: 1088)
        case .mlkem1024: self.init(key: 1568, ciphertext: 1568)
        default:
            guard let form = StandInForm.ofCurve(method) else { throw .unsupportedAlgorithm }
            self = form
        }
    }

    private init(
        key: Int,
        ciphertext: Int,
        randomOctets: Int = 32,
        isChecked: Bool = false,
        ignoresLastBit: Bool = false
    ) {
        self.key = key
        self.ciphertext = ciphertext
        self.randomOctets = randomOctets
        self.isChecked = isChecked
        self.ignoresLastBit = ignoresLastBit
    }

    static func ofCurve(_ method: KeyExchangeMethod) -> StandInForm? {
        switch method {
        case .curve25519: StandInForm(key: 32, ciphertext: 32, ignoresLastBit: true)
        case .ecp256: StandInForm(key: 64, ciphertext: 64, isChecked: true)
        case .ecp384: StandInForm(key: 96, ciphertext: 96, randomOctets: 48, isChecked: true)
        default: nil
        }
    }

    func publicValue(_ seed: [UInt8]) -> [UInt8] {
        significant(checked(StandInForm.expand(seed, [0], key)))
    }

    func ciphertext(_ message: [UInt8], to publicValue: [UInt8]) -> [UInt8] {
        checked(
            message
                + StandInForm.expand(message + [1], publicValue, ciphertext - message.count)
        )
    }

    /// What of a value counts.
    func significant(_ value: [UInt8]) -> [UInt8] {
        guard ignoresLastBit, let last = value.last else { return value }
        return value.dropLast() + [last & 0x7f]
    }

    func isValid(_ value: [UInt8]) -> Bool { !isChecked || checked(value) == value }

    private func checked(_ value: [UInt8]) -> [UInt8] {
        guard isChecked else { return value }
        let body = Array(value.dropLast(StandInForm.checkOctets))
        return body + StandInForm.expand(body, [2], StandInForm.checkOctets)
    }

    static func secret(_ message: [UInt8], of publicValue: [UInt8]) -> SecretBytes {
        SecretBytes(expand(message, publicValue, 32))
    }

    /// Octets that depend on all of `key` and `seed`; one could find others that lead to the same.
    static func expand(_ key: [UInt8], _ seed: [UInt8], _ length: Int) -> [UInt8] {
        var state: UInt64 = 0x6379_676e_6574_0002
        for part in [key, seed] {
            state = mix(state ^ UInt64(part.count))
            var word: UInt64 = 0
            for (place, byte) in part.enumerated() {
                word = word << 8 | UInt64(byte)
                if place % 8 == 7 || place == part.count - 1 {
                    state = mix(state &+ 0x9e37_79b9_7f4a_7c15 ^ word)
                    word = 0
                }
            }
        }
        var result: [UInt8] = []
        result.reserveCapacity(length)
        while result.count < length {
            state &+= 0x9e37_79b9_7f4a_7c15
            var word = mix(state)
            for _ in 0..<min(8, length - result.count) {
                result.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return result
    }

    /// The finisher of SplitMix64.
    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

private struct ReproducibleKey: DecapsulationKey {
    let publicValue: [UInt8]
    private let seed: [UInt8]
    private let form: StandInForm

    init(_ form: StandInForm, seed: [UInt8]) {
        self.form = form
        self.seed = seed
        publicValue = form.publicValue(seed)
    }

    /// A ciphertext that was tampered with gives another secret, as with the real one; a point that
    /// was, is none.
    func sharedSecret(from ciphertext: [UInt8]) throws(CryptoError) -> SecretBytes {
        guard ciphertext.count == form.ciphertext, form.isValid(ciphertext) else {
            throw .invalidPublicValue
        }
        let message = form.significant(Array(ciphertext.prefix(32)))
        guard form.ciphertext(message, to: publicValue) == form.significant(ciphertext) else {
            return SecretBytes(StandInForm.expand(seed, ciphertext, 32))
        }
        return StandInForm.secret(message, of: publicValue)
    }
}
