internal import CLinux
internal import Glibc
package import IPsecPrimitives

/// AH: a raw socket of IP protocol 51 (RFC 4302 §2), which sends packets with the IP header that
/// they bring along, whatever protocol that names.
///
/// Over IPv4 the kernel hands up the IP header too; over IPv6 it tells of the header's fields and
/// hands up the extension headers as ancillary data.
package final class RawAHSocket: Sendable {
    private let file: FileDescriptor
    package let version: IPVersion

    package var number: Int32 { file.number }

    /// - Parameter share: which packets are received; nil: all.
    package init(
        version: IPVersion,
        mark: PacketMark? = .own,
        share: SocketShare? = nil,
        bufferBytes: Int = 16 << 20
    ) throws(SystemCallFailure) {
        file = try SocketSetup.open(version: version, ipProtocol: 51, name: "raw ah")
        try SocketSetup.prepare(file.number, version: version, name: "raw ah", mark: mark)
        try SocketSetup.keep(
            share,
            of: file.number,
            version: version,
            spiOffset: 4,
            name: "raw ah"
        )
        SocketSetup.enlargeBuffers(file.number, bytes: bufferBytes)
        let (level, options) =
            switch version {
            case .v4: (SocketConstant.ip, [SocketConstant.ipHeaderIncluded])
            case .v6:
                (
                    SocketConstant.ipv6,
                    [
                        SocketConstant.ipv6HeaderIncluded,
                        SocketConstant.ipv6ReceiveHopByHopOptions,
                        SocketConstant.ipv6ReceiveRoutingHeader,
                        SocketConstant.ipv6ReceiveDestinationOptions,
                    ]
                )
            }
        for option in options {
            guard cygnet_set_option(file.number, level, option, 1) == 0 else {
                throw .last("setsockopt(raw ah, \(level), \(option))")
            }
        }
        self.version = version
    }
}
