package import IPsecCrypto

/// The cipher of an SA whose packets several threads may work on at once: the same keys for each
/// thread, for one thread at a time may use them.
@safe package final class SpreadCipher: Sendable {
    /// That of the worker first, and behind it one for each thread that helps.
    private let ciphers: [PacketCipher]

    /// How many threads may help.
    var helpers: Int { ciphers.count - 1 }

    /// Throws what `make` throws.
    ///
    /// - Parameters:
    ///   - helpers: threads besides the worker, one or more.
    ///   - make: makes a cipher; each of the same suite, keys and seed.
    package init(
        helpers: Int,
        make: () throws(CryptoError) -> PacketCipher
    ) throws(CryptoError) {
        precondition(helpers >= 1)
        var ciphers: [PacketCipher] = []
        for _ in 0...helpers { ciphers.append(try make()) }
        self.ciphers = ciphers
    }

    /// The worker's own.
    var own: PacketCipher { ciphers[0] }

    /// That of a thread: 0 for the worker, from 1 on for those that help.
    subscript(thread: Int) -> PacketCipher { ciphers[thread] }
}
