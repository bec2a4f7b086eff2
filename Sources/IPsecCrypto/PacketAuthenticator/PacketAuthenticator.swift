internal import CPacketCipher
package import IPsecPrimitives

/// Gives the AH packets of one direction of one SA their ICVs, or verifies them (RFC 4302 §3.3.3,
/// §3.4.4).
///
/// Holds the prepared key and wipes it at its end. One thread at a time may use it.
@safe package final class PacketAuthenticator: @unchecked Sendable {
    package enum Outcome: Hashable, Sendable {
        case done
        /// The ICV does not match.
        case failed
        /// The library refused; the packet must be dropped.
        case refused
    }

    /// Octets of the ICV field, without padding; with AES-GMAC its IV counts (RFC 4543 §4).
    package let icvLength: Int
    private let context: OpaquePointer

    /// Octets of AH before the ICV (RFC 4302 §2).
    package static let fixedLength = 12

    /// Throws `unsupportedAlgorithm` for what is none for AH, `invalidKeyLength` unless the key
    /// fits it.
    package init(
        integrity: IntegrityAlgorithm,
        key: SecretBytes,
        isExtendedSequence: Bool,
        direction: PacketCipher.Direction
    ) throws(CryptoError) {
        guard let keyLength = integrity.authenticationHeaderKeyLength,
            let icvLength = integrity.authenticationHeaderICVLength
        else { throw .unsupportedAlgorithm }
        guard key.count == keyLength else {
            throw .invalidKeyLength(expected: keyLength, actual: key.count)
        }
        self.icvLength = icvLength
        let created = unsafe key.withUnsafeBytes { bytes in
            unsafe cygnet_authenticator_create(
                integrity.hash,
                bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                bytes.count,
                UInt32(icvLength),
                direction == .seal ? 1 : 0,
                isExtendedSequence ? 1 : 0
            )
        }
        guard let context = unsafe created else { throw .libraryFailure }
        unsafe self.context = context
    }

    deinit {
        unsafe cygnet_authenticator_free(context)
    }

    /// Octets of AH with its padding, for packets of an IP version (RFC 4302 §2.2, §3.3.3.2.1).
    package func headerLength(_ version: IPVersion) -> Int {
        let unit = version == .v4 ? 4 : 8
        return (PacketAuthenticator.fixedLength + icvLength + unit - 1) / unit * unit
    }

    /// Computes the ICV over `header`, which is what AH covers of the headers before it, AH and
    /// payload, and puts it in its place. Precondition: made with direction `seal`.
    package func seal(
        header: UnsafeMutableRawPointer,
        headerLength: Int,
        authenticationHeader: UnsafeMutableRawPointer,
        length: Int,
        payloadLength: Int,
        sequenceHigh: UInt32
    ) -> Outcome {
        var job = unsafe cygnet_authenticator_job(
            header: UnsafePointer(header.assumingMemoryBound(to: UInt8.self)),
            header_length: headerLength,
            ah: authenticationHeader.assumingMemoryBound(to: UInt8.self),
            ah_length: length,
            payload_length: payloadLength,
            sequence_high: sequenceHigh
        )
        return outcome(unsafe cygnet_authenticator_seal(context, &job))
    }

    /// Verifies the ICV and leaves zeros in its place. Precondition: made with direction `open`.
    package func open(
        header: UnsafeMutableRawPointer,
        headerLength: Int,
        authenticationHeader: UnsafeMutableRawPointer,
        length: Int,
        payloadLength: Int,
        sequenceHigh: UInt32
    ) -> Outcome {
        var job = unsafe cygnet_authenticator_job(
            header: UnsafePointer(header.assumingMemoryBound(to: UInt8.self)),
            header_length: headerLength,
            ah: authenticationHeader.assumingMemoryBound(to: UInt8.self),
            ah_length: length,
            payload_length: payloadLength,
            sequence_high: sequenceHigh
        )
        return outcome(unsafe cygnet_authenticator_open(context, &job))
    }

    private func outcome(_ status: UInt32) -> Outcome {
        switch status {
        case CYGNET_PACKET_OK.rawValue: .done
        case CYGNET_PACKET_AUTHENTICATION_FAILED.rawValue: .failed
        default: .refused
        }
    }
}
