/// An interface of a route-based tunnel, as the kernel has it.
package struct TunnelInterface: Hashable, Sendable {
    package var name: String
    package var index: UInt32
    /// Whether a process has it open.
    package var isInUse: Bool
}

extension TunnelInterface {
    /// By which such interfaces are known as ours, whatever process made them.
    static let alias = "cygnet route-based tunnel"
}
