/// Why a cryptographic operation gave no result.
package enum CryptoError: Error, Hashable, Sendable {
    /// The algorithm, its key length or the combination is not one that this module has.
    case unsupportedAlgorithm
    /// The key has not the length that the algorithm wants, in octets.
    case invalidKeyLength(expected: Int, actual: Int)
    /// The peer's public value has the wrong length, is no element of the group or leads to a
    /// predictable secret (RFC 6989 §2, RFC 7748 §6).
    case invalidPublicValue
    /// Fewer bytes than IV and ICV take, or a ciphertext that is no multiple of the block.
    case invalidLength
    /// The integrity check value does not match.
    case authenticationFailed
    /// The back end is not compiled in, or this processor lacks what it needs.
    case backEndUnavailable
    /// The library refused for a reason of its own, such as a lack of memory.
    case libraryFailure
}
