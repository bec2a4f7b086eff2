/// Refuses marks of traffic classes that could not be told apart, from each other or from the gateway's
/// own.
enum MarkCheck {
    static func run(
        _ settings: GatewaySettings,
        _ connections: [ConnectionConfiguration],
        _ problems: Problems
    ) {
        var known: [Located<FirewallMark>] = []
        let own = settings.firewallMask
        for mark in TrafficMatchConfiguration.all(settings, connections).flatMap(\.marks) {
            guard !reportOwnBits(mark, own, problems) else { continue }
            let whole = mark.value.beside(own)
            guard !known.contains(where: { $0.value.beside(own) == whole }) else { continue }
            if let other = known.first(where: { overlap($0.value.beside(own), whole) }) {
                problems.error(
                    at: mark.location,
                    "a packet's mark can be \(mark.value) and \(other.value) (line "
                        + "\(other.location.line)) at once: the kernel tells the gateway one of them "
                        + "alone",
                    hint: "write marks that differ in bits that both masks cover, as in 0x10/0xf0 "
                        + "and 0x20/0xf0"
                )
                continue
            }
            known.append(mark)
            if known.count == TrafficConfiguration.markLimit + 1 {
                problems.error(
                    at: mark.location,
                    "more than \(TrafficConfiguration.markLimit) marks in traffic classes",
                    hint: "take several as one with a mask, as in 0x10/0xf0 for 0x10 to 0x1f"
                )
            }
        }
    }

    private static func reportOwnBits(
        _ mark: Located<FirewallMark>,
        _ own: UInt32,
        _ problems: Problems
    ) -> Bool {
        guard (mark.value.value | (mark.value.mask ?? 0)) & own != 0 else { return false }
        problems.error(
            at: mark.location,
            "mark \(mark.value) asks for bits that are the gateway's own (firewall-mask: "
                + "0x\(String(own, radix: 16)))",
            hint: "use other bits, \(FirewallMark(value: ~own)) being free, or give the gateway "
                + "another firewall-mark and firewall-mask"
        )
        return true
    }

    private static func overlap(_ one: FirewallMark, _ other: FirewallMark) -> Bool {
        (one.value ^ other.value) & (one.mask ?? .max) & (other.mask ?? .max) == 0
    }
}
