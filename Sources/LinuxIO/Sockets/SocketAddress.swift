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
        let source = address.bytes
        unsafe withUnsafeMutableBytes(of: &bytes) { target in
            for (index, byte) in source.enumerated() { unsafe target[index] = byte }
        }
    }

    /// Nil when there is none.
    var address: IPAddress? {
        var copy = bytes
        return unsafe withUnsafeBytes(of: &copy) { buffer in
            switch version {
            case 4: unsafe IPAddress(bytes: buffer.prefix(4))
            case 6: unsafe IPAddress(bytes: buffer)
            default: nil
            }
        }
    }

    package var endpoint: Endpoint? {
        address.map { Endpoint(address: $0, port: port) }
    }
}
