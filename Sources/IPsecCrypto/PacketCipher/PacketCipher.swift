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
    package let backEnd: PacketCipherBackEnd

    package var ivLength: Int { suite.ivLength }
    package var icvLength: Int { suite.icvLength }
    package var blockLength: Int { suite.blockLength }

    /// Throws `invalidKeyLength` unless the keys fit the suite, `backEndUnavailable` if this
    /// machine does not have `backEnd`.
    package init(
        suite: CipherSuite,
        keys: ESPKeys,
        isExtendedSequence: Bool,
        direction: Direction,
        backEnd: PacketCipherBackEnd = .automatic
    ) throws(CryptoError) {
        throw .unsupportedAlgorithm
    }

    /// Throws `unsupportedAlgorithm` unless the algorithms make a `CipherSuite`.
    package convenience init(
        encryption: Transform,
        integrity: IntegrityAlgorithm?,
        keys: ESPKeys,
        isExtendedSequence: Bool,
        direction: Direction,
        backEnd: PacketCipherBackEnd = .automatic
    ) throws(CryptoError) {
        guard let suite = CipherSuite(encryption: encryption, integrity: integrity) else {
            throw .unsupportedAlgorithm
        }
        try self.init(
            suite: suite,
            keys: keys,
            isExtendedSequence: isExtendedSequence,
            direction: direction,
            backEnd: backEnd
        )
    }

    /// Writes IV, ciphertext and ICV of `count` packets whose SPI, sequence number and body are
    /// in place, and a status for each.
    package func seal(_ jobs: UnsafeMutablePointer<cygnet_packet_job>, count: Int) {
    }

    /// Verifies and decrypts `count` packets and writes a status for each. The body of one that
    /// fails holds nothing of use.
    package func open(_ jobs: UnsafeMutablePointer<cygnet_packet_job>, count: Int) {
    }
}
