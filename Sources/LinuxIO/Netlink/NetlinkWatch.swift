internal import CLinux
internal import Glibc

/// Hears when something of this network namespace changes; what has changed has to be asked.
package final class NetlinkWatch {
    package enum Subject {
        /// Links, addresses and routes.
        case network
        /// Routing rules.
        case rules
        /// nftables: a whole transaction counts once it is in force.
        case packetFilters

        fileprivate var netlinkProtocol: Int32 {
            switch self {
            case .network, .rules: NetlinkConstant.route
            case .packetFilters: NetlinkConstant.netfilter
            }
        }

        fileprivate var groups: UInt32 {
            switch self {
            // RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR and _IPV6_ROUTE
            // (linux/rtnetlink.h).
            case .network: 0x1 | 0x10 | 0x40 | 0x100 | 0x400
            // RTNLGRP_IPV4_RULE and _IPV6_RULE, as bits.
            case .rules: 1 << 7 | 1 << 18
            // NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h), as a bit.
            case .packetFilters: 1 << 6
            }
        }
    }

    private let file: FileDescriptor
    private var room = [UInt8](repeating: 0, count: 16_384)

    package init(_ subject: Subject) throws(SystemCallFailure) {
        let number = cygnet_netlink_watch(subject.netlinkProtocol, subject.groups)
        guard number >= 0 else { throw .last("socket(AF_NETLINK)") }
        file = FileDescriptor(owning: number)
    }

    package var number: Int32 { file.number }

    /// Takes what has come; true when there was anything, or so much that some of it is lost.
    package func drain() -> Bool { takeAll { _ in } }

    /// Takes what has come of packet filters: whether any of it is of the guard's own table. What is
    /// lost is most likely a large rule set of others.
    package func drainNamingGuard() -> (hasNews: Bool, namesGuard: Bool) {
        var namesGuard = false
        let hasNews = takeAll { bytes in
            if let bytes, !namesGuard { namesGuard = GuardFingerprint.isNamed(in: bytes) }
        }
        return (hasNews, namesGuard)
    }

    /// - Parameter look: gets each datagram, and nil for those that are lost.
    private func takeAll(_ look: (ArraySlice<UInt8>?) -> Void) -> Bool {
        var hasNews = false
        while true {
            let count = unsafe room.withUnsafeMutableBytes { buffer in
                unsafe recv(file.number, buffer.baseAddress, buffer.count, 0)
            }
            if count > 0 {
                hasNews = true
                look(room[..<count])
            } else if count < 0 && errno == ENOBUFS {
                hasNews = true
                look(nil)
            } else if count == 0 || errno != EINTR {
                return hasNews
            }
        }
    }
}
