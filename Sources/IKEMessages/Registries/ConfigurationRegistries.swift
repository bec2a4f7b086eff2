/// What a Configuration payload does (RFC 7296 §3.15).
package struct ConfigurationType: Registry {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let request = ConfigurationType(rawValue: 1)
    package static let reply = ConfigurationType(rawValue: 2)
    package static let set = ConfigurationType(rawValue: 3)
    package static let acknowledgement = ConfigurationType(rawValue: 4)

    package static let kind = "configuration type"
    package static let names: [UInt8: String] = [
        1: "CFG_REQUEST", 2: "CFG_REPLY", 3: "CFG_SET", 4: "CFG_ACK",
    ]
}

/// What a configuration attribute is about (RFC 7296 §3.15.1).
package struct ConfigurationAttributeType: Registry {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let internalIP4Address = ConfigurationAttributeType(rawValue: 1)
    package static let internalIP4Netmask = ConfigurationAttributeType(rawValue: 2)
    package static let internalIP4DNS = ConfigurationAttributeType(rawValue: 3)
    package static let internalIP4NBNS = ConfigurationAttributeType(rawValue: 4)
    package static let internalIP4DHCP = ConfigurationAttributeType(rawValue: 6)
    package static let applicationVersion = ConfigurationAttributeType(rawValue: 7)
    package static let internalIP6Address = ConfigurationAttributeType(rawValue: 8)
    package static let internalIP6DNS = ConfigurationAttributeType(rawValue: 10)
    package static let internalIP6DHCP = ConfigurationAttributeType(rawValue: 12)
    package static let internalIP4Subnet = ConfigurationAttributeType(rawValue: 13)
    package static let supportedAttributes = ConfigurationAttributeType(rawValue: 14)
    package static let internalIP6Subnet = ConfigurationAttributeType(rawValue: 15)
    package static let internalDNSDomain = ConfigurationAttributeType(rawValue: 25)

    package static let kind = "configuration attribute"
    package static let names: [UInt16: String] = [
        1: "INTERNAL_IP4_ADDRESS", 2: "INTERNAL_IP4_NETMASK", 3: "INTERNAL_IP4_DNS",
        4: "INTERNAL_IP4_NBNS", 6: "INTERNAL_IP4_DHCP", 7: "APPLICATION_VERSION",
        8: "INTERNAL_IP6_ADDRESS", 10: "INTERNAL_IP6_DNS", 12: "INTERNAL_IP6_DHCP",
        13: "INTERNAL_IP4_SUBNET", 14: "SUPPORTED_ATTRIBUTES", 15: "INTERNAL_IP6_SUBNET",
        16: "MIP6_HOME_PREFIX", 17: "INTERNAL_IP6_LINK", 18: "INTERNAL_IP6_PREFIX",
        19: "HOME_AGENT_ADDRESS", 20: "P_CSCF_IP4_ADDRESS", 21: "P_CSCF_IP6_ADDRESS",
        22: "FTT_KAT", 23: "EXTERNAL_SOURCE_IP4_NAT_INFO",
        24: "TIMEOUT_PERIOD_FOR_LIVENESS_CHECK", 25: "INTERNAL_DNS_DOMAIN",
        26: "INTERNAL_DNSSEC_TA", 27: "ENCDNS_IP4", 28: "ENCDNS_IP6", 29: "ENCDNS_DIGEST_INFO",
    ]
}
