/// The numbers of netlink and rtnetlink that are in use here (linux/netlink.h, rtnetlink.h,
/// fib_rules.h, if_link.h).
enum NetlinkConstant {
    static let route: Int32 = 0
    static let netfilter: Int32 = 12
    static let nested: UInt16 = 0x8000

    // Message types.
    static let error: UInt16 = 2
    static let done: UInt16 = 3
    static let newLink: UInt16 = 16
    static let deleteLink: UInt16 = 17
    static let getLink: UInt16 = 18
    static let newAddress: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let getAddress: UInt16 = 22
    static let newRoute: UInt16 = 24
    static let deleteRoute: UInt16 = 25
    static let getRoute: UInt16 = 26
    static let newRule: UInt16 = 32
    static let deleteRule: UInt16 = 33
    static let getRule: UInt16 = 34
    static let newConfiguration: UInt16 = 80
    static let getConfiguration: UInt16 = 82

    // Flags of a request.
    static let request: UInt16 = 0x1
    static let acknowledge: UInt16 = 0x4
    static let dump: UInt16 = 0x300
    /// Of a message of a list that was changed while it was shown (NLM_F_DUMP_INTR).
    static let interrupted: UInt16 = 0x10
    static let replace: UInt16 = 0x100
    static let exclusive: UInt16 = 0x200
    static let create: UInt16 = 0x400

    /// The routing protocol number by which our rules and routes are known.
    static let ownProtocol: UInt8 = 167

    /// RT_SCOPE_HOST: no packet to another machine is sent from such an address.
    static let hostScope: UInt8 = 254
}

/// Attribute types of links and addresses.
enum LinkAttribute {
    static let name: UInt16 = 3
    static let mtu: UInt16 = 4
    static let queueLength: UInt16 = 13
    static let familySpecific: UInt16 = 26
    static let addressGenerationMode: UInt16 = 8
    /// Within AF_INET of `familySpecific`: IFLA_INET_CONF, and IPV4_DEVCONF_RP_FILTER in it.
    static let configuration: UInt16 = 1
    static let reversePathFilter: UInt16 = 8
    static let address: UInt16 = 1
    static let localAddress: UInt16 = 2
    static let addressFlags: UInt16 = 8
    /// Who gave an address (Linux 5.18 and later).
    static let addressProtocol: UInt16 = 11
    static let alias: UInt16 = 20
    static let statistics: UInt16 = 23
    static let ignoreRoutesWithLinkDown: UInt16 = 29
    /// IFF_UP.
    static let up: UInt32 = 0x1
    /// IFF_LOWER_UP.
    static let lowerUp: UInt32 = 0x1_0000
}
