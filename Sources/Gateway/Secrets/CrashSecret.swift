internal import Glibc
internal import IPsecPrimitives
internal import Logging

/// The secret behind the tokens of quick crash detection (RFC 6290 §5.1: "stored in non-volatile
/// storage on the machine, and kept indefinitely"). Whoever has it can make peers drop their SAs.
enum CrashSecret {
    static let path = "/var/lib/cygnet/crash-secret"
    private static let octets = 32

    /// The secret of this machine, made when there is none; nil where it cannot be kept, for
    /// tokens that do not survive a restart are worth nothing.
    static func load(_ logger: Logger, at path: String = path) -> SecretBytes? {
        if let secret = try? SecretFile.load(path), secret.count == octets { return secret }
        var random = SystemRandomSource()
        var bytes = random.bytes(octets)
        defer { wipe(&bytes) }
        var text: [UInt8] = Array("0x".utf8)
        for byte in bytes { text += [digit(byte >> 4), digit(byte & 15)] }
        defer { wipe(&text) }
        guard LastGoodConfiguration.keep(text, at: path) else {
            logger.info("\(path) cannot be kept: peers will notice a restart by their own timers")
            return nil
        }
        return SecretBytes(bytes)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
