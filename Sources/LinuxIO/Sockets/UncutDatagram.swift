internal import CLinux
internal import Glibc
package import IPsecPrimitives

// UDP datagrams that probe a path: with an IP header of their own, so that neither the path's MTU that
// the system believes in nor a socket's settings count, and that nobody on the way may fragment.
extension RawAHSocket {
    private static let hopLimit: UInt8 = 64
    private static let udp: UInt8 = 17

    /// Sends one datagram, or throws EMSGSIZE where the link does not carry it.
    ///
    /// - Parameter local: whose address is not the unspecified one.
    package func sendUncut(
        _ payload: [UInt8],
        from local: Endpoint,
        to remote: Endpoint
    ) throws(SystemCallFailure) {
        var packet = RawAHSocket.uncut(payload, from: local, to: remote)
        let result = unsafe packet.withUnsafeMutableBufferPointer { buffer -> Int32 in
            var datagram = unsafe cygnet_datagram()
            unsafe datagram.bytes = buffer.baseAddress
            unsafe datagram.length = UInt32(buffer.count)
            // A raw socket over IPv6 takes a port for a protocol number.
            unsafe datagram.remote = cygnet_address(Endpoint(address: remote.address, port: 0))
            return unsafe cygnet_send(number, &datagram)
        }
        guard result == 0 else { throw .last("sendmsg(uncut udp to \(remote))") }
    }

    /// The whole IP packet (RFC 791 §3.1, RFC 8200 §3, RFC 768).
    static func uncut(_ payload: [UInt8], from local: Endpoint, to remote: Endpoint) -> [UInt8] {
        let length = 8 + payload.count
        func big(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
        let ports = big(Int(local.port)) + big(Int(remote.port))
        let addresses = local.address.bytes + remote.address.bytes
        let pseudo = addresses + [0, 0] + big(length) + [0, 0, 0, udp]
        let sum = checksum(pseudo + ports + big(length) + [0, 0] + payload)
        let datagram = ports + big(length) + big(sum == 0 ? 0xffff : Int(sum)) + payload
        guard local.address.version == .v4 else {
            return [0x60, 0, 0, 0] + big(length) + [udp, hopLimit] + addresses + datagram
        }
        // DF; an atomic packet needs no identification (RFC 6864 §4.1).
        var header: [UInt8] = [0x45, 0] + big(20 + length) + [0, 0, 0x40, 0, hopLimit, udp, 0, 0]
        header += addresses
        header.replaceSubrange(10..<12, with: big(Int(checksum(header))))
        return header + datagram
    }

    /// RFC 1071 §1.
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8
            if index + 1 < bytes.count { sum += UInt32(bytes[index + 1]) }
            sum = (sum & 0xffff) + sum >> 16
        }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}
