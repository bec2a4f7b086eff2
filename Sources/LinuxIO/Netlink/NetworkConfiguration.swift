internal import CLinux
internal import Glibc
package import IPsecPrimitives

/// Links, addresses, routes and rules of this network namespace, through rtnetlink.
package final class NetworkConfiguration {
    let socket: any NetlinkRequests
    /// Whether the kernel said that it has no IPv6; there its rules, routes and addresses are left out.
    package internal(set) var lacksIPv6 = false
    /// Routes of somebody else's that stood where some of ours should, the last time that they were
    /// applied.
    package internal(set) var conflicts: Set<SystemCallFailure> = []

    package init() throws(SystemCallFailure) {
        socket = try NetlinkSocket()
    }

    init(_ socket: any NetlinkRequests) {
        self.socket = socket
    }

    // MARK: Links and addresses

    /// Brings a device up with its MTU in bytes and the number of packets that may queue for it. One
    /// without a link-local address is the device of every tunnel, out of which come packets from
    /// anywhere.
    package func setLinkUp(
        _ name: String,
        mtu: Int,
        queueLength: Int,
        hasLinkLocal: Bool = false
    ) throws(SystemCallFailure) {
        let index = try linkIndex(name)
        // A link-local address would make the kernel send neighbour discovery into the tunnel.
        // An old kernel, or one without IPv6, refuses this, and that is all right. A TUN device has
        // no hardware address to make one from: it is a random one (IN6_ADDR_GEN_MODE_RANDOM).
        var quiet = link(index: index, isUp: false)
        quiet.nested(LinkAttribute.familySpecific) { families in
            families.nested(UInt16(AF_INET6)) {
                $0.attribute(LinkAttribute.addressGenerationMode, UInt8(hasLinkLocal ? 3 : 1))
            }
        }
        _ = try? socket.request(
            NetlinkConstant.newLink,
            flags: 0,
            quiet,
            what: "ip link set \(name) addrgenmode none"
        )
        try relaxReversePathFilter(of: name, index, isSharedDevice: !hasLinkLocal)
        var change = link(index: index, isUp: true)
        change.attribute(LinkAttribute.mtu, UInt32(clamping: mtu))
        change.attribute(LinkAttribute.queueLength, UInt32(clamping: queueLength))
        _ = try socket.request(
            NetlinkConstant.newLink,
            flags: 0,
            change,
            what: "ip link set \(name) up mtu \(mtu)"
        )
    }

    /// Changes one of a link's settings below `net.ipv4.conf`. Kernels that do not have it refuse,
    /// and behave as is wanted.
    func tryIPv4Setting(_ setting: UInt16, _ value: UInt32, of index: UInt32, what: String) {
        var change = link(index: index, isUp: false)
        change.nested(LinkAttribute.familySpecific) { families in
            families.nested(UInt16(AF_INET)) {
                $0.nested(LinkAttribute.configuration) { $0.attribute(setting, value) }
            }
        }
        _ = try? socket.request(NetlinkConstant.newLink, flags: 0, change, what: what)
    }

    /// Changes the MTU of a link that is up, in bytes.
    package func setMTU(_ octets: Int, of name: String) throws(SystemCallFailure) {
        var change = link(index: try linkIndex(name), isUp: true)
        change.attribute(LinkAttribute.mtu, UInt32(clamping: octets))
        _ = try socket.request(
            NetlinkConstant.newLink,
            flags: 0,
            change,
            what: "ip link set \(name) mtu \(octets)"
        )
    }

    /// Gives a link an address; one that is there already is left as it is.
    package func addAddress(
        _ address: IPAddress,
        prefixLength: Int,
        to name: String,
        scope: UInt8 = 0
    ) throws(SystemCallFailure) {
        let index = try linkIndex(name)
        do {
            try change(
                NetlinkConstant.newAddress,
                LinkAddress(address: address, prefixLength: prefixLength),
                index,
                scope: scope,
                what: "ip address add \(address)/\(prefixLength) dev \(name)"
            )
        } catch  where error.errorNumber == EEXIST {
        } catch  where address.version == .v6 && error.tellsThatFamilyIsMissing {
            lacksIPv6 = true
        }
    }

    /// Adds or deletes one address; it is marked as ours.
    func change(
        _ type: UInt16,
        _ value: LinkAddress,
        _ index: UInt32,
        scope: UInt8 = 0,
        what: String
    ) throws(SystemCallFailure) {
        let isNew = type == NetlinkConstant.newAddress
        var body = NetlinkEncoder()
        body.byte(value.address.version.addressFamily)
        body.byte(UInt8(clamping: value.prefixLength))
        body.byte(0)
        body.byte(scope)
        body.number(index)
        body.attribute(LinkAttribute.localAddress, value.address)
        body.attribute(LinkAttribute.address, value.address)
        if isNew, value.address.version == .v6 {
            // No duplicate address detection: it would hold the address back for a second.
            body.attribute(LinkAttribute.addressFlags, UInt32(2))
        }
        if isNew { body.attribute(LinkAttribute.addressProtocol, NetlinkConstant.ownProtocol) }
        _ = try socket.request(
            type,
            flags: isNew ? NetlinkConstant.create | NetlinkConstant.exclusive : 0,
            body,
            what: what
        )
    }

    /// The addresses of every link, but for loopback and link-local ones, and those that another host
    /// was found to have.
    package func localAddresses() throws(SystemCallFailure) -> [IPAddress] {
        var body = NetlinkEncoder()
        for _ in 0..<4 { body.byte(0) }
        body.number(UInt32(0))
        let answers = try socket.request(
            NetlinkConstant.getAddress,
            flags: NetlinkConstant.dump,
            body,
            what: "ip address show"
        )
        return answers.compactMap { message in
            guard message.type == NetlinkConstant.newAddress, message.body.count >= 8 else {
                return nil
            }
            let scope = message.body[message.body.startIndex + 3]
            // RT_SCOPE_UNIVERSE or RT_SCOPE_SITE.
            guard scope == 0 || scope == 200 else { return nil }
            let attributes = message.attributes(behind: 8)
            let flags = attributes.number(LinkAttribute.addressFlags, as: UInt32.self) ?? 0
            // IFA_F_DADFAILED: the kernel does not use it either.
            guard flags & 0x08 == 0 else { return nil }
            return attributes.address(LinkAttribute.localAddress)
                ?? attributes.address(LinkAttribute.address)
        }
    }

    /// The fixed part of a message about a link.
    func link(index: UInt32, isUp: Bool) -> NetlinkEncoder {
        var body = NetlinkEncoder()
        body.byte(0)
        body.byte(0)
        body.number(UInt16(0))
        body.number(index)
        body.number(UInt32(isUp ? 1 : 0))
        body.number(UInt32(isUp ? 1 : 0))
        return body
    }

    /// Nil when there is no such link, or when it is down and the kernel takes no routes to it.
    func indexOfLinkThatIsUp(_ name: String) -> UInt32? {
        guard let index = try? linkIndex(name) else { return nil }
        let answers = try? socket.request(
            NetlinkConstant.getLink,
            flags: 0,
            link(index: index, isUp: false),
            what: "ip link show \(name)"
        )
        let flags = answers?.first { $0.type == NetlinkConstant.newLink }?
            .body.number(at: 8, as: UInt32.self)
        return (flags ?? 0) & LinkAttribute.up != 0 ? index : nil
    }

    func linkIndex(_ name: String) throws(SystemCallFailure) -> UInt32 {
        let index = unsafe cygnet_interface_index(name)
        guard index > 0 else {
            throw .last(
                "if_nametoindex(\(name))",
                remedy: "Check that there is a network device \(name)."
            )
        }
        return UInt32(index)
    }

    // MARK: The way to a peer

    /// How the kernel would send to an address.
    package struct RouteToPeer: Hashable, Sendable {
        /// The address that the kernel would send from.
        package var source: IPAddress?
        package var interfaceIndex: UInt32
        package var gateway: IPAddress?
        /// Bytes, where the route itself says; the link's own holds otherwise.
        package var mtu: Int?
    }

    /// How marked packets of ours reach `peer`; nil when nothing leads there.
    package func route(
        to peer: IPAddress,
        from source: IPAddress? = nil,
        mark: PacketMark = .own
    ) throws(SystemCallFailure) -> RouteToPeer? {
        var body = NetlinkEncoder()
        body.byte(peer.version.addressFamily)
        body.byte(UInt8(peer.version.addressBits))
        body.byte(source.map { UInt8($0.version.addressBits) } ?? 0)
        for _ in 0..<5 { body.byte(0) }
        body.number(UInt32(0))
        body.attribute(Route.Attribute.destination, peer)
        if let source { body.attribute(UInt16(2), source) }
        body.attribute(Route.Attribute.mark, mark.value)
        let answers: [NetlinkMessage]
        do {
            answers = try socket.request(
                NetlinkConstant.getRoute,
                flags: 0,
                body,
                what: "ip route get \(peer)"
            )
        } catch  where [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL].contains(error.errorNumber) {
            return nil
        }
        guard let answer = answers.first, answer.body.count >= 12 else { return nil }
        let attributes = answer.attributes(behind: 12)
        let metrics = attributes[Route.Attribute.metrics].map { NetlinkAttributes(parsing: $0) }
        return RouteToPeer(
            source: attributes.address(Route.Attribute.preferredSource),
            interfaceIndex: attributes.number(Route.Attribute.outputInterface, as: UInt32.self)
                ?? 0,
            gateway: attributes.address(Route.Attribute.gateway),
            mtu: metrics?.number(Route.Attribute.mtu, as: UInt32.self).map { Int($0) }
        )
    }
}
