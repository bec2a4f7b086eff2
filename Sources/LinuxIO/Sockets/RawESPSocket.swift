internal import CLinux
internal import Glibc
package import IPsecPrimitives

/// ESP without UDP: a raw socket of IP protocol 50 (RFC 4303 §2).
///
/// Over IPv4 the kernel hands up the IP header too; over IPv6 it does not.
package final class RawESPSocket: Sendable {
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
        file = try SocketSetup.open(version: version, ipProtocol: 50, name: "raw esp")
        try SocketSetup.prepare(file.number, version: version, name: "raw esp", mark: mark)
        try SocketSetup.keep(
            share,
            of: file.number,
            version: version,
            spiOffset: 0,
            name: "raw esp"
        )
        SocketSetup.enlargeBuffers(file.number, bytes: bufferBytes)
        self.version = version
    }
}
