internal import CLinux
internal import Glibc

/// Hears when links, addresses or routes of the host change; what has changed has to be asked.
package final class NetworkWatch {
    private let file: FileDescriptor

    /// RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR and _IPV6_ROUTE (linux/rtnetlink.h).
    private static let groups: UInt32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
    private static let receiveLimit = 16_384

    package init() throws(SystemCallFailure) {
        let number = cygnet_netlink_watch(NetlinkConstant.route, NetworkWatch.groups)
        guard number >= 0 else { throw .last("socket(AF_NETLINK)") }
        file = FileDescriptor(owning: number)
    }

    package var number: Int32 { file.number }

    /// Takes what has come; true when there was anything, or so much that some of it is lost.
    package func drain() -> Bool {
        var hasNews = false
        while true {
            var bytes = [UInt8](repeating: 0, count: NetworkWatch.receiveLimit)
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe recv(file.number, buffer.baseAddress, buffer.count, 0)
            }
            if count > 0 || (count < 0 && errno == ENOBUFS) {
                hasNews = true
            } else if count == 0 || errno != EINTR {
                return hasNews
            }
        }
    }
}
