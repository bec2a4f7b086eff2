internal import Glibc
internal import IPsecPrimitives

/// A secret that the gateway makes for itself and finds again after a restart.
struct KeptSecret {
    private static let octets = 32

    let path: String
    /// Age of the file, in seconds, at which a start makes another; nil: never.
    var renewedAfter: Int?

    /// The secret, made when there is none; nil where it cannot be kept.
    func load() -> SecretBytes? {
        if !isOld, let secret = try? SecretFile.load(path), secret.count == KeptSecret.octets {
            return secret
        }
        var random = SystemRandomSource()
        var bytes = random.bytes(KeptSecret.octets)
        defer { wipe(&bytes) }
        // At once, for what it outgrows is freed as it is.
        var text: [UInt8] = []
        text.reserveCapacity(2 + 2 * KeptSecret.octets)
        text += "0x".utf8
        for byte in bytes { text += [digit(byte >> 4), digit(byte & 15)] }
        defer { wipe(&text) }
        guard LastGoodConfiguration.keep(text, at: path) else { return nil }
        return SecretBytes(bytes)
    }

    private var isOld: Bool {
        guard let renewedAfter else { return false }
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return true }
        let age = time(nil) - status.st_mtim.tv_sec
        // From the future: the clock was wrong then or is wrong now.
        return age > renewedAfter || age < -renewedAfter
    }

    private func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
