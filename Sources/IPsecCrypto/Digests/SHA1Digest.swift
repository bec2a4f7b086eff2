internal import CPacketCipher

/// SHA-1, where RFC 7296 §2.23 wants it: the NAT detection hashes, which protect nothing.
package enum SHA1Digest {
    package static func compute(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 20)
        unsafe cygnet_sha1(bytes, bytes.count, &digest)
        return digest
    }
}
