internal import IPsecPrimitives

/// The kernel's filter of IPv4 sources (`net.ipv4.conf.*.rp_filter`), which would drop what comes out of
/// a tunnel from somebody to whom no tunnel leads: ICMP errors of routers (RFC 4301 §6.2), and where a
/// rule for ports does not match the way back that the filter looks up. The guard and the SAs'
/// selectors say what may come from where.
extension NetworkConfiguration {
    /// Makes the filter let pass on a device what it can. The larger of a device's value and that of
    /// all holds, but for loose (2), which wins over strict (1): where all are strict this one is
    /// loose, else there is no filter (0).
    ///
    /// - Parameter isSharedDevice: whether it is the device of every tunnel, which has no addresses of
    ///   the user's.
    func relaxReversePathFilter(
        of name: String,
        _ index: UInt32,
        isSharedDevice: Bool
    ) throws(SystemCallFailure) {
        let value: UInt32 = try filterOfAllDevices() == 1 ? 2 : 0
        tryIPv4Setting(
            LinkAttribute.reversePathFilter,
            value,
            of: index,
            what: "sysctl net.ipv4.conf.\(name).rp_filter=\(value)"
        )
        guard isSharedDevice, let address = IPAddress(NetworkConfiguration.placeholder) else {
            return
        }
        // On a device without any address, loose is as strict as strict.
        try addAddress(address, prefixLength: 32, to: name, scope: NetlinkConstant.hostScope)
    }

    /// What `net.ipv4.conf.all.rp_filter` says; 0 where the kernel does not tell.
    private func filterOfAllDevices() throws(SystemCallFailure) -> UInt32 {
        var body = NetlinkEncoder()
        body.byte(IPVersion.v4.addressFamily)
        for _ in 0..<3 { body.byte(0) }
        body.attribute(ConfigurationAttribute.interfaceIndex, UInt32.max)
        let answers = try socket.request(
            NetlinkConstant.getConfiguration,
            flags: 0,
            body,
            what: "sysctl net.ipv4.conf.all.rp_filter"
        )
        let found = answers.first { $0.type == NetlinkConstant.newConfiguration }
        return found?.attributes(behind: 4)
            .number(ConfigurationAttribute.reversePathFilter, as: UInt32.self) ?? 0
    }

    /// The dummy address of IANA's registry of special-purpose addresses: nobody sends from it or to
    /// it, and with the scope of this host the kernel does not choose it as a source.
    private static let placeholder = "192.0.0.8"
}

/// linux/netconf.h.
private enum ConfigurationAttribute {
    static let interfaceIndex: UInt16 = 1
    static let reversePathFilter: UInt16 = 3
}
