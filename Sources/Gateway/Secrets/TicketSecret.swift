internal import Glibc
internal import IKEProtocol
internal import IPsecPrimitives
internal import Logging

/// The secret that seals tickets (RFC 5723 §9.5). Whoever has it, and has seen a ticket on its way,
/// can read what the ticket's session and those resumed with it protect.
enum TicketSecret {
    static let path = "/var/lib/cygnet/ticket-secret"
    private static let secondsOfSecret = 30 * 86_400

    /// - Parameter isWanted: whether the configuration gives tickets. Where it does not, nothing is
    ///   written: should a reload change that, the tickets last until the gateway ends.
    static func sealer(
        isWanted: Bool,
        _ logger: Logger,
        at path: String = path,
        now: Instant
    ) -> TicketSealer? {
        let kept = isWanted ? KeptSecret(path: path, renewedAfter: secondsOfSecret).load() : nil
        if isWanted, kept == nil {
            logger.info("\(path) cannot be kept: tickets will not survive a restart")
        }
        var random = SystemRandomSource()
        var fresh = random.bytes(32)
        let secret = kept ?? SecretBytes(fresh)
        wipe(&fresh)
        let seconds = time(nil)
        return TicketSealer(secret: secret, secondsSince1970: UInt64(max(0, seconds)), at: now)
    }
}
