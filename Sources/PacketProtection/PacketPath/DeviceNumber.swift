/// The name that control gives one TUN device: that which policy-based tunnels share, or that of one
/// route-based tunnel. What is read from a device goes by the policies of that device alone, and what
/// comes by their SAs is written to it alone.
package struct DeviceNumber: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// The device whose packets the ordered policy database tells apart.
    package static let shared = DeviceNumber(rawValue: 0)

    /// Numbers are below this.
    package static let limit: UInt16 = 4096
}

extension DeviceNumber: CustomStringConvertible {
    package var description: String { "device \(rawValue)" }
}
