/// Which packets a client wants to see; what is absent lets everything pass.
package struct TraceRequest: Codable, Equatable, Sendable {
    package enum Direction: String, Codable, CaseIterable, Sendable {
        case outbound = "out"
        case inbound = "in"
    }

    /// Addresses or prefixes, of either end, inside or outside; one of them is enough.
    package var addresses: [String]
    package var `protocol`: UInt8?
    /// Of either end.
    package var port: UInt16?
    /// `connection` or `connection/tunnel`.
    package var tunnel: String?
    /// Hexadecimal, with or without `0x`.
    package var spi: String?
    package var direction: Direction?
    package var dropsOnly: Bool
    /// Words as `cygnet status` counts drops by.
    package var reasons: [String]
    /// One packet in so many of those that pass.
    package var sample: Int
    /// Packets a second, direction and worker; the others are counted.
    package var perSecond: Int
    /// Octets of each packet that are wanted; absent: none.
    package var captureOctets: Int?
    /// Whether the keys of the SAs are wanted too.
    package var keys: Bool

    package static let sampleRange = 1...1_000_000_000
    package static let perSecondRange = 1...100_000
    package static let captureRange = 64...65_535
    /// Addresses, and reasons, at most.
    package static let listLimit = 32

    package init(
        addresses: [String] = [],
        protocol: UInt8? = nil,
        port: UInt16? = nil,
        tunnel: String? = nil,
        spi: String? = nil,
        direction: Direction? = nil,
        dropsOnly: Bool = false,
        reasons: [String] = [],
        sample: Int = 1,
        perSecond: Int = 500,
        captureOctets: Int? = nil,
        keys: Bool = false
    ) {
        self.addresses = addresses
        self.protocol = `protocol`
        self.port = port
        self.tunnel = tunnel
        self.spi = spi
        self.direction = direction
        self.dropsOnly = dropsOnly
        self.reasons = reasons
        self.sample = sample
        self.perSecond = perSecond
        self.captureOctets = captureOctets
        self.keys = keys
    }
}
