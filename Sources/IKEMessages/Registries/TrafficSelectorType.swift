/// The shape of a traffic selector (RFC 7296 §3.13.1).
package struct TrafficSelectorType: Registry {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let ipv4AddressRange = TrafficSelectorType(rawValue: 7)
    package static let ipv6AddressRange = TrafficSelectorType(rawValue: 8)

    package static let kind = "traffic selector type"
    package static let names: [UInt8: String] = [
        7: "TS_IPV4_ADDR_RANGE", 8: "TS_IPV6_ADDR_RANGE", 9: "TS_FC_ADDR_RANGE",
        10: "TS_SECLABEL",
    ]
}
