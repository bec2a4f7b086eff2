internal import IPsecPrimitives
internal import Testing

@Suite struct TrafficSelectorTests {
    private func selector(
        _ prefix: String,
        _ ipProtocol: UInt8 = 0,
        _ ports: PortRange = .any
    ) throws -> TrafficSelector {
        try #require(
            TrafficSelector(
                prefix: net(prefix),
                ipProtocol: ipProtocol,
                ports: ports
            )
        )
    }

    @Test func refusesNonsense() {
        let four = ip("10.0.0.1")
        let six = ip("::1")
        #expect(TrafficSelector(first: four, last: six) == nil)
        #expect(TrafficSelector(first: six, last: six, ports: PortRange(80)) == nil)
        #expect(PortRange(2, through: 1) == nil)
    }

    @Test func intersectionIsTheLargestCommonPart() throws {
        let wide = try selector("10.0.0.0/8")
        let web = try selector("10.1.0.0/16", 6, PortRange(443))
        #expect(wide.intersection(web) == web)
        #expect(web.intersection(wide) == web)
        #expect(wide.covers(web))
        #expect(!web.covers(wide))
        #expect(try web.intersection(selector("10.1.0.0/16", 17)) == nil)
        #expect(try web.intersection(selector("192.168.0.0/16")) == nil)
        #expect(try wide.intersection(selector("::/0")) == nil)
    }

    // RFC 4301 §4.4.1.1: only ANY and OPAQUE cover a packet whose ports cannot be seen.
    @Test func unseenPortsMatchOnlyAnyAndOpaque() throws {
        let address = ip("10.0.0.1")
        #expect(try selector("10.0.0.0/8", 6).contains(address, ipProtocol: 6, port: nil))
        #expect(try selector("10.0.0.0/8", 6, .opaque).contains(address, ipProtocol: 6, port: nil))
        #expect(
            try !selector("10.0.0.0/8", 6, PortRange(80)).contains(
                address,
                ipProtocol: 6,
                port: nil
            )
        )
        #expect(try !selector("10.0.0.0/8", 6, .opaque).contains(address, ipProtocol: 6, port: 80))
    }

    @Test func describesItselfAsConfigurationWritesIt() throws {
        #expect(try selector("10.1.0.0/16").description == "10.1.0.0/16")
        #expect(
            try selector("10.1.0.0/16", 6, PortRange(443)).description == "10.1.0.0/16[tcp/443]"
        )
        let range = try #require(
            TrafficSelector(
                first: ip("10.0.0.5"),
                last: ip("10.0.0.9"),
                ipProtocol: 17,
                ports: PortRange(1000, through: 2000)!
            )
        )
        #expect(range.description == "10.0.0.5-10.0.0.9[udp/1000-2000]")
    }

    @Test func intersectionAgreesWithMembership() throws {
        var random = SeededRandomSource(seed: 7)
        func small() -> TrafficSelector {
            let bounds = [UInt128(random.bytes(1)[0] % 16), UInt128(random.bytes(1)[0] % 16)]
                .sorted()
            let ports = [UInt16(random.bytes(1)[0] % 8), UInt16(random.bytes(1)[0] % 8)].sorted()
            let ipProtocol: UInt8 = [0, 6, 17][Int(random.bytes(1)[0] % 3)]
            let range = random.bytes(1)[0] % 3 == 0 || ipProtocol == 0
            return TrafficSelector(
                first: IPAddress(version: .v4, bits: bounds[0]),
                last: IPAddress(version: .v4, bits: bounds[1]),
                ipProtocol: ipProtocol,
                ports: range ? .any : PortRange(ports[0], through: ports[1])!
            )!
        }
        for _ in 0..<2_000 {
            let (left, right) = (small(), small())
            let both = left.intersection(right)
            let address = IPAddress(version: .v4, bits: UInt128(random.bytes(1)[0] % 16))
            let ipProtocol: UInt8 = [6, 17][Int(random.bytes(1)[0] % 2)]
            let port = UInt16(random.bytes(1)[0] % 8)
            let inBoth =
                left.contains(address, ipProtocol: ipProtocol, port: port)
                && right.contains(address, ipProtocol: ipProtocol, port: port)
            #expect(
                (both?.contains(address, ipProtocol: ipProtocol, port: port) ?? false) == inBoth
            )
        }
    }
}
