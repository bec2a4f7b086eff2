internal import IPsecPrimitives
internal import Logging

/// The secret behind the tokens of quick crash detection (RFC 6290 §5.1: "stored in non-volatile
/// storage on the machine, and kept indefinitely"). Whoever has it can make peers drop their SAs.
enum CrashSecret {
    static let path = "/var/lib/cygnet/crash-secret"

    /// The secret of this machine; nil where it cannot be kept, for tokens that do not survive a
    /// restart are worth nothing.
    static func load(_ logger: Logger, at path: String = path) -> SecretBytes? {
        if let secret = KeptSecret(path: path).load() { return secret }
        logger.info("\(path) cannot be kept: peers will notice a restart by their own timers")
        return nil
    }
}
