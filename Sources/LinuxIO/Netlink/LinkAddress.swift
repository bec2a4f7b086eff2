package import IPsecPrimitives

/// An address of a link, and how much of it is the network that the link leads to.
package struct LinkAddress: Hashable, Sendable {
    package var address: IPAddress
    /// Bits.
    package var prefixLength: Int

    package init(address: IPAddress, prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }
}
