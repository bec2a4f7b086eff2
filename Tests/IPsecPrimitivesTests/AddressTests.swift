internal import IPsecPrimitives
internal import Testing

@Suite struct AddressTests {
    @Test(arguments: ["0.0.0.0", "192.0.2.1", "255.255.255.255"])
    func keepsIPv4Text(_ text: String) throws {
        #expect(try #require(IPAddress(text)).description == text)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", "1..3.4",
        "0x1.2.3.4", "::1::", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::",
        "fe80::1%eth0",
        "::1.2.3", "1.2.3.4::", "g::", "1:2:3:4:5:6:7::8", "+1::", ":1:2:3:4:5:6:7",
    ])
    func refusesWhatIsNoAddress(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    // RFC 5952 §4 and §5.
    @Test(arguments: [
        ("2001:0db8::0001", "2001:db8::1"), ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:DB8::A", "2001:db8::a"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
        ("::ffff:192.0.2.1", "::ffff:c000:201"),
    ])
    func writesIPv6Canonically(_ pair: (String, String)) throws {
        #expect(try #require(IPv6Address(pair.0)).description == pair.1)
    }

    @Test func bytesAndBackAgain() throws {
        var random = SeededRandomSource(seed: 1)
        for _ in 0..<200 {
            let short = random.bytes(4)
            let long = random.bytes(16)
            #expect(try #require(IPAddress(bytes: short)).bytes == short)
            let address = try #require(IPv6Address(bytes: long))
            #expect(address.bytes == long)
            #expect(IPv6Address(address.description) == address)
        }
        #expect(IPAddress(bytes: [1, 2, 3]) == nil)
    }

    @Test(arguments: [
        "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "::1/64",
    ])
    func refusesWhatIsNoPrefix(_ text: String) {
        #expect(IPPrefix(text) == nil)
    }

    @Test func prefixHasFirstAndLast() {
        let prefix = net("10.1.0.0/16")
        #expect(prefix.last == IPAddress("10.1.255.255"))
        #expect(prefix.contains(ip("10.1.2.3")))
        #expect(!prefix.contains(ip("10.2.0.0")))
        let everything = net("::/0")
        #expect(everything.last == IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
        #expect(net("192.0.2.7").description == "192.0.2.7/32")
    }

    @Test(arguments: [
        ("10.0.0.0", "10.0.0.255", ["10.0.0.0/24"]),
        ("10.0.0.1", "10.0.0.6", ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]),
        ("0.0.0.0", "255.255.255.255", ["0.0.0.0/0"]),
        ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ["::/0"]),
        ("255.255.255.254", "255.255.255.255", ["255.255.255.254/31"]),
        ("10.0.0.2", "10.0.0.1", []),
    ])
    func coversARangeWithNetworks(_ lower: String, _ upper: String, _ expected: [String]) {
        let prefixes = IPPrefix.covering(
            ip(lower),
            through: ip(upper)
        )
        #expect(prefixes.map(\.description) == expected)
    }
}
