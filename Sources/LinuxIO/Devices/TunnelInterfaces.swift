internal import CLinux
internal import Glibc
internal import IPsecPrimitives

/// The interfaces of route-based tunnels. They outlive the process, so that routes to them do not
/// vanish and lead elsewhere; by an alias they are known as ours.
extension NetworkConfiguration {
    /// Brings an interface up as ours.
    ///
    /// - Parameter hasLinkLocal: whether it gets an IPv6 link-local address, as routing protocols want
    ///   it.
    package func setTunnelInterfaceUp(
        _ name: String,
        mtu: Int,
        queueLength: Int,
        hasLinkLocal: Bool
    ) throws(SystemCallFailure) {
        try setLinkUp(name, mtu: mtu, queueLength: queueLength, hasLinkLocal: hasLinkLocal)
        let index = try linkIndex(name)
        var change = link(index: index, isUp: true)
        change.attribute(LinkAttribute.alias, TunnelInterface.alias)
        _ = try socket.request(
            NetlinkConstant.newLink,
            flags: 0,
            change,
            what: "ip link set \(name) alias"
        )
        // Without a process the link has no carrier; its routes must count nevertheless, or packets
        // would go elsewhere. Kernels that do not know the setting have no routes that depend on it.
        tryIPv4Setting(
            LinkAttribute.ignoreRoutesWithLinkDown,
            0,
            of: index,
            what: "sysctl net.ipv4.conf.\(name).ignore_routes_with_linkdown=0"
        )
    }

    /// Every interface that is ours.
    package func tunnelInterfaces() throws(SystemCallFailure) -> [TunnelInterface] {
        let answers = try socket.request(
            NetlinkConstant.getLink,
            flags: NetlinkConstant.dump,
            link(index: 0, isUp: false),
            what: "ip link show"
        )
        return answers.compactMap { message in
            guard message.type == NetlinkConstant.newLink,
                let index = message.body.number(at: 4, as: UInt32.self),
                let flags = message.body.number(at: 8, as: UInt32.self)
            else { return nil }
            let attributes = message.attributes(behind: 16)
            guard attributes.text(LinkAttribute.alias) == TunnelInterface.alias,
                let name = attributes.text(LinkAttribute.name)
            else { return nil }
            return TunnelInterface(
                name: name,
                index: index,
                isInUse: flags & LinkAttribute.lowerUp != 0
            )
        }
    }

    /// Deletes the interfaces of ours that no process has open, but for those named.
    ///
    /// - Returns: the names of those that are gone.
    @discardableResult
    package func removeUnusedTunnelInterfaces(
        except kept: Set<String> = []
    ) throws(SystemCallFailure) -> [String] {
        var removed: [String] = []
        for interface in try tunnelInterfaces()
        where !interface.isInUse && !kept.contains(interface.name) {
            do {
                _ = try socket.request(
                    NetlinkConstant.deleteLink,
                    flags: 0,
                    link(index: interface.index, isUp: false),
                    what: "ip link delete \(interface.name)"
                )
            } catch  where error.errorNumber == ENODEV {
                continue
            }
            removed.append(interface.name)
        }
        return removed
    }

    /// Gives an interface of ours the addresses wanted and takes away those that it had from us
    /// before; addresses that others gave it stay.
    package func setAddresses(
        _ wanted: [LinkAddress],
        of name: String
    ) throws(SystemCallFailure) {
        let index = try linkIndex(name)
        let present = try addresses(ofLink: index)
        let stale = present.filter { $0.isOurs && !wanted.contains($0.value) }.map(\.value)
        // The kernel takes an IPv6 address once, whatever the length of its prefix.
        let inTheWay = stale.filter { old in
            old.address.version == .v6 && wanted.contains { $0.address == old.address }
        }
        try remove(inTheWay, ofLink: index, name)
        for address in wanted
        where !present.contains(where: { $0.value == address }) {
            try addAddress(address.address, prefixLength: address.prefixLength, to: name)
        }
        try remove(stale.filter { !inTheWay.contains($0) }, ofLink: index, name)
    }

    private func remove(
        _ addresses: [LinkAddress],
        ofLink index: UInt32,
        _ name: String
    ) throws(SystemCallFailure) {
        for address in addresses {
            try change(
                NetlinkConstant.deleteAddress,
                address,
                index,
                what: "ip address delete \(address.address) dev \(name)"
            )
        }
    }

    /// What passed an interface so far; nil when there is none of the name.
    package func statistics(of name: String) -> LinkStatistics? {
        guard let index = try? linkIndex(name) else { return nil }
        let answers = try? socket.request(
            NetlinkConstant.getLink,
            flags: 0,
            link(index: index, isUp: false),
            what: "ip -s link show \(name)"
        )
        guard let answer = answers?.first, answer.type == NetlinkConstant.newLink,
            let numbers = answer.attributes(behind: 16)[LinkAttribute.statistics]
        else { return nil }
        // struct rtnl_link_stats64 of linux/if_link.h.
        func number(_ place: Int) -> UInt64 { numbers.number(at: place * 8, as: UInt64.self) ?? 0 }
        var result = LinkStatistics()
        result.received = number(0)
        result.sent = number(1)
        result.receivedOctets = number(2)
        result.sentOctets = number(3)
        result.receiveDrops = number(6)
        result.sendDrops = number(7)
        return result
    }

    /// The name of an interface; nil when there is none of the number.
    package func interfaceName(_ index: UInt32) -> String? {
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard unsafe if_indextoname(index, &name) != nil else { return nil }
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The number of an interface; nil when there is none of the name.
    package func interfaceIndex(_ name: String) -> UInt32? { try? linkIndex(name) }

    private func addresses(
        ofLink index: UInt32
    ) throws(SystemCallFailure) -> [(value: LinkAddress, isOurs: Bool)] {
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
            guard message.type == NetlinkConstant.newAddress, message.body.count >= 8,
                message.body.number(at: 4, as: UInt32.self) == index
            else { return nil }
            let attributes = message.attributes(behind: 8)
            let address =
                attributes.address(LinkAttribute.localAddress)
                ?? attributes.address(LinkAttribute.address)
            let origin = attributes.number(LinkAttribute.addressProtocol, as: UInt8.self)
            return address.map {
                let length = Int(message.body[message.body.startIndex + 1])
                return (
                    LinkAddress(address: $0, prefixLength: length),
                    origin == NetlinkConstant.ownProtocol
                )
            }
        }
    }
}
