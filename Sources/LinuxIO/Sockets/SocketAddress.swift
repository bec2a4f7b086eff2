package import CLinux
package import IPsecPrimitives

extension cygnet_address {
    package init(_ endpoint: Endpoint) {
        self.init(endpoint.address, port: endpoint.port)
    }

    init(_ address: IPAddress, port: UInt16 = 0) {
        self.init()
        version = address.version.rawValue
        self.port = port
        unsafe withUnsafeMutableBytes(of: &bytes) { target in
            switch address {
            case .v4(let address):
                unsafe target.storeBytes(of: address.bits.bigEndian, as: UInt32.self)
            case .v6(let address):
                let upper = UInt64(truncatingIfNeeded: address.bits >> 64)
                let lower = UInt64(truncatingIfNeeded: address.bits)
                unsafe target.storeBytes(of: upper.bigEndian, as: UInt64.self)
                unsafe target.storeBytes(
                    of: lower.bigEndian,
                    toByteOffset: 8,
                    as: UInt64.self
                )
            }
        }
    }

    /// Nil when there is none. As `IPAddress(bytes:)`, without a generic call for each datagram.
    package var address: IPAddress? {
        unsafe withUnsafeBytes(of: bytes) { bytes in
            switch version {
            case 4:
                let bits = unsafe bytes.loadUnaligned(as: UInt32.self)
                return .v4(IPv4Address(bits: UInt32(bigEndian: bits)))
            case 6:
                let upper = unsafe UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
                let lower = unsafe UInt64(
                    bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                )
                return .v6(IPv6Address(bits: UInt128(upper) << 64 | UInt128(lower)))
            default: return nil
            }
        }
    }

    package var endpoint: Endpoint? {
        address.map { Endpoint(address: $0, port: port) }
    }
}
