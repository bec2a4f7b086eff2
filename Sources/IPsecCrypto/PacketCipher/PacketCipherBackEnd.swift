internal import CPacketCipher

/// The library that does the packets' arithmetic.
package enum PacketCipherBackEnd: Hashable, Sendable, CaseIterable {
    /// Intel's multi-buffer library: x86-64 only.
    case multiBuffer
    /// OpenSSL's EVP: everywhere.
    case openSSL

    /// Those that are compiled in and that this processor can run, the faster first.
    package static let available: [PacketCipherBackEnd] =
        cygnet_has_multi_buffer() != 0 ? [.multiBuffer, .openSSL] : [.openSSL]

    /// The fastest of those available.
    package static var automatic: PacketCipherBackEnd { available[0] }

    var identifier: UInt32 {
        switch self {
        case .multiBuffer: CYGNET_BACK_END_MULTI_BUFFER.rawValue
        case .openSSL: CYGNET_BACK_END_OPENSSL.rawValue
        }
    }
}
