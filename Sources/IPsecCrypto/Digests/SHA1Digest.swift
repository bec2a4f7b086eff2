internal import Crypto

/// SHA-1, where RFC 7296 §2.23 wants it: the NAT detection hashes, which protect nothing.
package enum SHA1Digest {
    package static func compute(_ bytes: [UInt8]) -> [UInt8] {
        Array(Insecure.SHA1.hash(data: bytes))
    }
}
