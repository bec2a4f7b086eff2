/// How much an SA may carry (RFC 4301 §4.4.2.1); lifetimes by time are control's.
///
/// Octets are those that the cipher works on, as RFC 4301 counts them: the inner packet, padding
/// and ESP trailer. At the soft limit an event asks for a successor; a packet that would pass the
/// hard limit is dropped, and so are all behind it.
package struct SALifetime: Hashable, Sendable {
    package var softOctets: UInt64
    package var hardOctets: UInt64
    package var softPackets: UInt64
    package var hardPackets: UInt64

    package init(
        softOctets: UInt64 = .max,
        hardOctets: UInt64 = .max,
        softPackets: UInt64 = .max,
        hardPackets: UInt64 = .max
    ) {
        self.softOctets = softOctets
        self.hardOctets = hardOctets
        self.softPackets = softPackets
        self.hardPackets = hardPackets
    }

    package static let unlimited = SALifetime()
}
