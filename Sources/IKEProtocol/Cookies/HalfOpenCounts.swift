internal import IPsecPrimitives

/// How many half-open SAs come from where (RFC 8019 §4.2).
///
/// By host, which is an IPv4 address or an IPv6 network of 64 bits, and by site, which is an IPv4
/// network of 24 bits or an IPv6 network of 48. No more entries than half-open SAs.
struct HalfOpenCounts {
    private struct Prefix: Hashable {
        let version: IPVersion
        let bits: UInt64
    }

    private var byHost: [Prefix: Int] = [:]
    private var bySite: [Prefix: Int] = [:]

    func ofHost(_ address: IPAddress) -> Int { byHost[Self.host(address)] ?? 0 }
    func ofSite(_ address: IPAddress) -> Int { bySite[Self.site(address)] ?? 0 }

    mutating func add(_ address: IPAddress) {
        byHost[Self.host(address), default: 0] += 1
        bySite[Self.site(address), default: 0] += 1
    }

    mutating func remove(_ address: IPAddress) {
        Self.decrease(&byHost, Self.host(address))
        Self.decrease(&bySite, Self.site(address))
    }

    private static func decrease(_ counts: inout [Prefix: Int], _ prefix: Prefix) {
        guard let count = counts[prefix] else { return }
        counts[prefix] = count > 1 ? count - 1 : nil
    }

    private static func host(_ address: IPAddress) -> Prefix {
        switch address {
        case .v4(let address): Prefix(version: .v4, bits: UInt64(address.bits))
        case .v6(let address):
            Prefix(version: .v6, bits: UInt64(truncatingIfNeeded: address.bits >> 64))
        }
    }

    private static func site(_ address: IPAddress) -> Prefix {
        let host = host(address)
        return Prefix(version: host.version, bits: host.bits >> (host.version == .v4 ? 8 : 16))
    }
}
