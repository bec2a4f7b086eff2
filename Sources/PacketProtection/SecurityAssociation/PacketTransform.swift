package import IPsecCrypto
internal import IPsecPrimitives

/// What protects the packets of an SA: a cipher for ESP, a MAC for AH. The SA is its only user.
package enum PacketTransform: Sendable {
    case cipher(PacketCipher)
    case authenticator(PacketAuthenticator)
    /// A cipher that several threads may help with.
    case spread(SpreadCipher)
}

/// The same as a worker keeps it: nothing is counted on the way. The owner releases.
@safe enum HeldTransform {
    case cipher(Unmanaged<PacketCipher>)
    case authenticator(Unmanaged<PacketAuthenticator>)
    case spread(Unmanaged<SpreadCipher>)

    init(_ transform: PacketTransform) {
        switch transform {
        case .cipher(let cipher): self = unsafe .cipher(.passRetained(cipher))
        case .authenticator(let authenticator):
            self = unsafe .authenticator(.passRetained(authenticator))
        case .spread(let cipher): self = unsafe .spread(.passRetained(cipher))
        }
    }

    func release() {
        switch self {
        case .cipher(let cipher): unsafe cipher.release()
        case .authenticator(let authenticator): unsafe authenticator.release()
        case .spread(let cipher): unsafe cipher.release()
        }
    }
}

/// The lengths that a transform gives packets, in octets.
struct TransformShape {
    /// Of the IV.
    let iv: Int
    let icv: Int
    /// Of what the body of an ESP packet must be a multiple of; 1 for AH.
    let block: Int
    /// Of AH with its padding, which the IP version around it decides; 0 for ESP.
    let authentication: Int

    init(_ transform: HeldTransform, _ version: IPVersion) {
        switch transform {
        case .cipher(let cipher):
            self.init(unsafe cipher._withUnsafeGuaranteedRef { $0.suite })
        case .spread(let cipher):
            self.init(unsafe cipher._withUnsafeGuaranteedRef { $0.own.suite })
        case .authenticator(let authenticator):
            self.init(unsafe authenticator._withUnsafeGuaranteedRef { $0 }, version)
        }
    }

    private init(_ suite: CipherSuite) {
        iv = suite.ivLength
        icv = suite.icvLength
        block = suite.blockLength
        authentication = 0
    }

    private init(_ authenticator: PacketAuthenticator, _ version: IPVersion) {
        iv = 0
        icv = authenticator.icvLength
        block = 1
        authentication = authenticator.headerLength(version)
    }

    /// From the beginning of ESP or AH to what is behind it.
    var bodyOffset: Int { authentication > 0 ? authentication : TunnelMTU.headerLength + iv }
}
