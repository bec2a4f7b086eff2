/// The library that does the packets' arithmetic.
package enum PacketCipherBackEnd: Hashable, Sendable, CaseIterable {
    /// Intel's multi-buffer library: x86-64 only.
    case multiBuffer
    /// OpenSSL's EVP: everywhere.
    case openSSL

    /// Those that are compiled in and that this processor can run, the faster first.
    package static var available: [PacketCipherBackEnd] { [.openSSL] }

    package static var automatic: PacketCipherBackEnd { available[0] }
}
