import IPsecPrimitives
import Testing

@testable import LinuxIO

@Suite("Datagrams that nobody may fragment")
struct UncutDatagramTests {
    private func sum(_ bytes: [UInt8]) -> UInt32 {
        var sum: UInt32 = 0
        for (index, byte) in bytes.enumerated() {
            sum += UInt32(byte) << (index % 2 == 0 ? 8 : 0)
        }
        while sum > 0xffff { sum = (sum & 0xffff) + sum >> 16 }
        return sum
    }

    @Test("headers and checksums are right", arguments: [0, 1, 7, 1400])
    func headers(count: Int) throws {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) }
        let v4 = RawAHSocket.uncut(
            payload,
            from: Endpoint(address: try #require(IPAddress("192.0.2.1")), port: 4500),
            to: Endpoint(address: try #require(IPAddress("192.0.2.2")), port: 500)
        )
        #expect(
            v4.count == 28 + count && v4[2...3] == [UInt8(v4.count >> 8), UInt8(v4.count & 255)]
        )
        #expect(v4[6] == 0x40 && v4[9] == 17 && sum(Array(v4[..<20])) == 0xffff)
        #expect(v4[20..<24] == [17, 148, 1, 244] && Array(v4[28...]) == payload)
        let length = UInt8((8 + count) >> 8)
        let pseudo = Array(v4[12..<20]) + [0, 17, length, UInt8((8 + count) & 255)]
        #expect(sum(pseudo + v4[20...]) == 0xffff)
        let v6 = RawAHSocket.uncut(
            payload,
            from: Endpoint(address: try #require(IPAddress("2001:db8::1")), port: 4500),
            to: Endpoint(address: try #require(IPAddress("2001:db8::2")), port: 500)
        )
        #expect(v6.count == 48 + count && v6[0] == 0x60 && v6[6] == 17)
        let upper = Array(v6[8..<40]) + [0, 0, length, UInt8((8 + count) & 255), 0, 0, 0, 17]
        #expect(sum(upper + v6[40...]) == 0xffff)
    }
}
