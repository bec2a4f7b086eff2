internal import CPacketCipher

/// SHA-1, where RFC 7296 §2.23 wants it: the NAT detection hashes, which protect nothing.
package enum SHA1Digest {
    package static func compute(_ bytes: [UInt8]) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 20) { output, filled in
            unsafe cygnet_sha1(bytes, bytes.count, output.baseAddress)
            filled = 20
        }
    }
}
