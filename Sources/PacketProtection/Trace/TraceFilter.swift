package import IPsecPrimitives

/// Which packets somebody wants to see; what is not said lets everything pass.
package struct TraceFilter: Hashable, Sendable {
    /// Addresses with the same first bits.
    package struct Prefix: Hashable, Sendable {
        package let version: IPVersion
        let bits: UInt128
        let mask: UInt128

        /// - Parameter length: bits that count; more than an address has means all.
        package init(_ address: IPAddress, length: Int) {
            version = address.version
            let width = address.version.addressBits
            let rest = width - min(max(length, 0), width)
            mask = rest >= 128 ? 0 : ~UInt128(0) << UInt128(rest)
            bits = address.bits & mask
        }

        func contains(_ address: UInt128, isV4: Bool) -> Bool {
            isV4 == (version == .v4) && address & mask == bits
        }
    }

    /// Of either end, inside or outside; one of them is enough.
    package var addresses: [Prefix] = []
    package var ipProtocol: UInt8?
    /// Of either end.
    package var port: UInt16?
    package var policies: Set<PolicyIdentifier>?
    package var spi: SPI?
    package var direction: TraceRecord.Direction?
    package var dropsOnly = false
    package var reasons: Set<DropReason>?
    /// Of what passes, one in so many; at least 1.
    package var sample = 1
    /// Packets a second and direction, of each worker; those beyond are counted.
    package var perSecond = 500
    /// Octets of each packet and datagram that are wanted; 0: none, and no datagrams.
    package var captureOctets = 0

    package init() {}

    package func matches(_ record: TraceRecord) -> Bool {
        if dropsOnly, record.outcome != .dropped { return false }
        if let reasons {
            guard record.outcome == .dropped, let reason = record.reason,
                reasons.contains(reason)
            else { return false }
        }
        if let direction, record.direction != direction { return false }
        if let policies {
            guard record.hasPolicy,
                policies.contains(PolicyIdentifier(rawValue: record.policy))
            else { return false }
        }
        if let spi, record.spi != spi.rawValue { return false }
        if let ipProtocol, !record.hasInner || record.ipProtocol != ipProtocol { return false }
        if let port {
            guard record.hasInner, record.hasPorts,
                record.sourcePort == port || record.destinationPort == port,
                record.ipProtocol != 1, record.ipProtocol != 58
            else { return false }
        }
        return addresses.isEmpty || addresses.contains { isOf($0, record) }
    }

    private func isOf(_ prefix: Prefix, _ record: TraceRecord) -> Bool {
        if record.hasInner,
            prefix.contains(record.source, isV4: record.isV4)
                || prefix.contains(record.destination, isV4: record.isV4)
        {
            return true
        }
        guard record.hasPath else { return false }
        return [record.local.address, record.remote.address].contains {
            prefix.contains($0.bits, isV4: $0.version == .v4)
        }
    }
}
