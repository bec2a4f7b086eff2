import CInternetChecksum
import Testing

@testable import PacketProtection

/// Every variant of the checksum against RFC 1071's own definition.
@Suite struct InternetChecksumTests {
    /// Word by word in network order, as RFC 1071 §1 defines it; then as this machine stores it.
    private static func definition(_ bytes: [UInt8]) -> UInt16 {
        var sum = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += Int(bytes[index]) << 8
            if index + 1 < bytes.count { sum += Int(bytes[index + 1]) }
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return UInt16(sum).bigEndian
    }

    private static func octets(_ count: Int, seed: UInt64) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    /// Folded; 0 and 0xffff stand for the same sum (RFC 1071 §2).
    private static func isSame(_ sum: UInt64, as definition: UInt16) -> Bool {
        let folded = InternetChecksum.fold(sum)
        return folded == definition || folded % 0xffff == definition % 0xffff
    }

    private static let supported = (0..<cygnet_internet_variants()).filter {
        cygnet_internet_variant_is_supported($0) != 0
    }

    @Test func portableIsAlwaysThere() {
        #expect(InternetChecksumTests.supported.contains(cygnet_internet_variants() - 1))
    }

    @Test(arguments: supported)
    func sumsEveryLengthAtEveryAlignment(variant: Int) {
        for count in [Int](0...260) + [1419, 1420, 1421, 9000, 65_535] {
            for start in count > 260 ? [0, 1] : [0, 1, 2, 3, 7, 13] {
                let all = InternetChecksumTests.octets(count + start + 64, seed: UInt64(count))
                let expected = InternetChecksumTests.definition(Array(all[start..<start + count]))
                let (sum, copied, copySum) = unsafe all.withUnsafeBytes { bytes in
                    let source = unsafe bytes.baseAddress! + start
                    var target = [UInt8](repeating: 0xa5, count: count + 128)
                    let copySum = unsafe target.withUnsafeMutableBytes {
                        unsafe cygnet_internet_variant_copy_and_sum(
                            variant,
                            $0.baseAddress! + 64,
                            source,
                            count
                        )
                    }
                    return unsafe (
                        cygnet_internet_variant_sum(variant, source, count), target, copySum
                    )
                }
                #expect(InternetChecksumTests.isSame(sum, as: expected), "\(count) at \(start)")
                #expect(copySum == sum)
                let guardOctets = [UInt8](repeating: 0xa5, count: 64)
                #expect(copied.prefix(64) == guardOctets[...])
                #expect(copied.suffix(64) == guardOctets[...])
                #expect(copied[64..<64 + count] == all[start..<start + count])
            }
        }
    }

    @Test(arguments: supported)
    func losesNoCarry(variant: Int) {
        let ones = [UInt8](repeating: 0xff, count: 65_535)
        let sum = unsafe ones.withUnsafeBytes {
            unsafe cygnet_internet_variant_sum(variant, $0.baseAddress!, $0.count)
        }
        #expect(
            InternetChecksumTests.isSame(sum, as: InternetChecksumTests.definition(ones))
        )
    }
}
