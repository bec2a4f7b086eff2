import IKEMessages
import IPsecPrimitives
import Testing

@Suite("Configuration attributes")
struct ConfigurationAttributeTests {
    /// RFC 7296 §3.15.1, in the octets of its table.
    static let vectors: [(ConfigurationAttribute, UInt16, [UInt8])] = [
        (.ip4Address(nil), 1, []), (.ip4Address(IPv4Address("192.0.2.202")), 1, [192, 0, 2, 202]),
        (.ip4Netmask(24), 2, [255, 255, 255, 0]), (.ip4Netmask(0), 2, [0, 0, 0, 0]),
        (.ip4Netmask(32), 2, [255, 255, 255, 255]),
        (.ip4DNS(IPv4Address("10.0.0.1")), 3, [10, 0, 0, 1]), (.ip4NBNS(nil), 4, []),
        (.ip4DHCP(IPv4Address("10.0.0.2")), 6, [10, 0, 0, 2]),
        (.applicationVersion("v 1"), 7, [0x76, 0x20, 0x31]), (.ip6Address(nil), 8, []),
        (
            .ip6Address(
                .init(address: IPv6Address("2001:db8:0:1:2:3:4:5")!, prefixLength: 64)
            ),
            8, [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 64]
        ),
        (
            .ip6DNS(IPv6Address("2001:db8::1")), 10,
            [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        ),
        (.ip6DHCP(nil), 12, []),
        (
            .ip4Subnet(IPPrefix("198.51.100.0/26")), 13, [198, 51, 100, 0, 255, 255, 255, 192]
        ),
        (.supportedAttributes([]), 14, []),
        (.supportedAttributes([.internalIP4Address, .internalIP6Subnet]), 14, [0, 1, 0, 15]),
        (
            .ip6Subnet(IPPrefix("2001:db8::/32")), 15,
            [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32]
        ),
        (.dnsDomain("in.example"), 25, Array("in.example".utf8)),
    ]

    @Test(arguments: 0..<vectors.count)
    func everyTypeInBothDirections(index: Int) {
        let (attribute, type, octets) = ConfigurationAttributeTests.vectors[index]
        let payload = ConfigurationPayload(.reply, [attribute])
        #expect(payload.attributes[0].type.rawValue == type)
        #expect(payload.attributes[0].value == octets)
        #expect(payload.content == [attribute])
    }

    static let strangers: [(UInt16, [UInt8])] = [
        (1, [1, 2, 3]), (2, [255, 0, 255, 0]), (2, [1]), (7, [0x07]),
        (8, Array(repeating: 0, count: 16)), (8, Array(repeating: 0, count: 16) + [129]),
        (10, [1, 2, 3, 4]), (13, [10, 0, 0, 0]), (13, [10, 0, 0, 0, 255, 0, 255, 0]), (14, [1]),
        (15, [1]), (25, [0xff]), (99, [1, 2]), (16, []),
    ]

    @Test("what is no value of its type is kept and says nothing", arguments: strangers)
    func strange(type: UInt16, octets: [UInt8]) {
        let attribute = ConfigurationPayload.Attribute(
            type: ConfigurationAttributeType(rawValue: type),
            value: octets
        )
        let payload = ConfigurationPayload(type: .request, attributes: [attribute])
        #expect(payload.content == [.unknown(attribute)])
        #expect(ConfigurationPayload(.request, payload.content) == payload)
    }

    @Test func bitsBehindAPrefixSayNothing() {
        let attribute = ConfigurationPayload.Attribute(
            type: .internalIP4Subnet,
            value: [10, 1, 2, 3, 255, 255, 0, 0]
        )
        #expect(ConfigurationAttribute(attribute) == .ip4Subnet(IPPrefix("10.1.0.0/16")))
    }
}
