package import CPacketCipher
package import IPsecPrimitives

/// Seals or opens the ESP packets of one direction of one SA, many in a call, in place.
///
/// Holds the expanded keys and wipes them at its end. One thread at a time may use it.
@safe package final class PacketCipher: @unchecked Sendable {
    package enum Direction: Hashable, Sendable {
        case seal
        case open
    }

    package let suite: CipherSuite
    /// The one that was asked for where it has the suite, otherwise OpenSSL.
    package let backEnd: PacketCipherBackEnd
    private let context: OpaquePointer

    package var ivLength: Int { suite.ivLength }
    package var icvLength: Int { suite.icvLength }
    package var blockLength: Int { suite.blockLength }

    /// Throws `invalidKeyLength` unless the keys fit the suite, `backEndUnavailable` if this
    /// machine does not have `backEnd`.
    ///
    /// - Parameter ivSeed: random octets for keys that serve again after a restart, when the sequence
    ///   numbers begin anew: without them, the unpredictable IVs of CBC (RFC 3602 §3) would be those of
    ///   before, and who listens could see where packets begin alike.
    package init(
        suite: CipherSuite,
        keys: ESPKeys,
        isExtendedSequence: Bool,
        direction: Direction,
        backEnd: PacketCipherBackEnd = .automatic,
        ivSeed: SecretBytes? = nil
    ) throws(CryptoError) {
        guard PacketCipherBackEnd.available.contains(backEnd) else {
            throw .backEndUnavailable
        }
        try suite.check(encryptionKey: keys.encryption, integrityKey: keys.integrity)
        var chosen = backEnd
        let created = unsafe suite.withParameters(
            encryptionKey: keys.encryption,
            integrityKey: keys.integrity,
            seals: direction == .seal,
            isExtendedSequence: isExtendedSequence,
            ivSeed: ivSeed
        ) { parameters in
            if backEnd == .multiBuffer, unsafe cygnet_multi_buffer_does(&parameters) == 0 {
                chosen = .openSSL
            }
            return unsafe cygnet_packet_cipher_create(&parameters, chosen.identifier)
        }
        guard let context = unsafe created else { throw .libraryFailure }
        unsafe self.context = context
        self.suite = suite
        self.backEnd = chosen
    }

    deinit {
        unsafe cygnet_packet_cipher_free(context)
    }

    /// Throws `unsupportedAlgorithm` unless the algorithms make a `CipherSuite`.
    package convenience init(
        encryption: Transform,
        integrity: IntegrityAlgorithm?,
        keys: ESPKeys,
        isExtendedSequence: Bool,
        direction: Direction,
        backEnd: PacketCipherBackEnd = .automatic,
        ivSeed: SecretBytes? = nil
    ) throws(CryptoError) {
        guard let suite = CipherSuite(encryption: encryption, integrity: integrity) else {
            throw .unsupportedAlgorithm
        }
        try self.init(
            suite: suite,
            keys: keys,
            isExtendedSequence: isExtendedSequence,
            direction: direction,
            backEnd: backEnd,
            ivSeed: ivSeed
        )
    }

    /// Where the memory lies that sealing or opening reads, for asking the processor for it early.
    package var keys: cygnet_packet_keys { unsafe cygnet_packet_cipher_keys(context) }

    /// Writes IV, ciphertext and ICV of `count` packets whose SPI, sequence number and body are
    /// in place, and a status for each. Precondition: made with direction `seal`.
    package func seal(_ jobs: UnsafeMutablePointer<cygnet_packet_job>, count: Int) {
        unsafe cygnet_packet_cipher_seal(context, jobs, count, 0)
    }

    /// As `seal`, with the IVs that stand in the packets. For vectors: an IV that comes twice
    /// gives everything away.
    package func sealKeepingIVs(_ jobs: UnsafeMutablePointer<cygnet_packet_job>, count: Int) {
        unsafe cygnet_packet_cipher_seal(context, jobs, count, 1)
    }

    /// Verifies and decrypts `count` packets and writes a status for each. The body of one that
    /// fails holds nothing of use. Precondition: made with direction `open`.
    package func open(_ jobs: UnsafeMutablePointer<cygnet_packet_job>, count: Int) {
        unsafe cygnet_packet_cipher_open(context, jobs, count)
    }
}
