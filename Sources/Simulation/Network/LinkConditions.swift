/// How the way from one gateway to another treats datagrams.
package struct LinkConditions: Equatable, Sendable {
    /// Nanoseconds on the way, always.
    var delay: UInt64
    /// Up to so many nanoseconds more, at random for each datagram.
    var jitter: UInt64
    var lossPerMille = 0
    var duplicationPerMille = 0
    /// Share of datagrams that take a detour, and the most that it costs, in nanoseconds.
    var detourPerMille = 0
    var detour: UInt64 = 0
    var corruptionPerMille = 0
    var truncationPerMille = 0
    /// IP packets that are longer are fragmented.
    var mtu = 1500
    /// Fragments do not arrive.
    var dropsFragments = false

    /// The same way once nothing goes wrong any more.
    var calmed: LinkConditions {
        var result = self
        result.lossPerMille = 0
        result.duplicationPerMille = 0
        result.detourPerMille = 0
        result.corruptionPerMille = 0
        result.truncationPerMille = 0
        result.dropsFragments = false
        return result
    }

    /// The longest time that a datagram which arrives is under way.
    var longestDelay: UInt64 { delay + jitter + (detourPerMille > 0 ? detour : 0) }
}
