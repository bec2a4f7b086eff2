internal import Glibc
package import IPsecPrimitives

/// A shared secret in a file that only its owner can read.
package enum SecretFile {
    /// Why a secret was refused: a sentence, and what to do about it.
    package struct Refusal: Error, Hashable, Sendable {
        package let reason: String
        package let remedy: String
    }

    /// Longer files are refused unread: no shared secret is that long.
    private static let byteLimit = 4096

    /// Reads the secret in the file at `path`.
    ///
    /// The content is the secret, without one line end behind it. `0x…` is hexadecimal and `0s…`
    /// base64, as users of other IPsec software write binary secrets.
    ///
    /// - Throws: `Refusal` when the file is missing, is not a plain file, belongs to another user,
    ///   can be read or written by others, or holds no usable secret.
    package static func load(_ path: String) throws(Refusal) -> SecretBytes {
        // O_NONBLOCK: opening a FIFO that somebody left there must not hang the start.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw openRefusal(path, errno) }
        defer { close(descriptor) }
        try checkOwnership(of: descriptor, path)
        var text = try readAll(descriptor, path)
        defer { wipe(&text) }
        if text.last == UInt8(ascii: "\n") { text.removeLast() }
        if text.last == UInt8(ascii: "\r") { text.removeLast() }
        guard !text.isEmpty else {
            throw Refusal(
                reason: "the secret file \(path) is empty",
                remedy: "write the shared secret into it, for example: "
                    + "openssl rand -base64 32 > \(path)"
            )
        }
        return try decode(text, path)
    }

    private static func openRefusal(_ path: String, _ code: Int32) -> Refusal {
        if code == ENOENT {
            return Refusal(
                reason: "the secret file \(path) does not exist",
                remedy: "create it on both ends with the same content: "
                    + "(umask 077; openssl rand -base64 32 > \(path))"
            )
        }
        return Refusal(
            reason:
                "the secret file \(path) cannot be opened: \(unsafe String(cString: strerror(code)))",
            remedy: "run as the user that owns it"
        )
    }

    private static func checkOwnership(of descriptor: Int32, _ path: String) throws(Refusal) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw Refusal(
                reason: "the secret file \(path) cannot be examined",
                remedy: "check the file system it lies on"
            )
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Refusal(
                reason: "\(path) is not a plain file",
                remedy: "put the secret into a plain file of its own"
            )
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw Refusal(
                reason: "the secret file \(path) belongs to user \(status.st_uid), "
                    + "not to the user that runs cygnet",
                remedy: "chown \(geteuid()) \(path)"
            )
        }
        guard status.st_mode & 0o077 == 0 else {
            throw Refusal(
                reason: "the secret file \(path) is open to others than its owner (mode "
                    + String(status.st_mode & 0o7777, radix: 8) + ")",
                remedy: "chmod 600 \(path)"
            )
        }
        guard status.st_size <= byteLimit else {
            throw Refusal(
                reason: "the secret file \(path) is larger than \(byteLimit) bytes",
                remedy: "a file holds one secret and nothing else"
            )
        }
    }

    private static func readAll(_ descriptor: Int32, _ path: String) throws(Refusal) -> [UInt8] {
        // Of full size from the start: growing would leave copies of the secret behind.
        var buffer = [UInt8](repeating: 0, count: byteLimit + 1)
        defer { wipe(&buffer) }
        var filled = 0
        while filled < buffer.count {
            let count = unsafe buffer.withUnsafeMutableBytes { area in
                unsafe read(descriptor, area.baseAddress! + filled, area.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw Refusal(
                    reason: "the secret file \(path) cannot be read: "
                        + (unsafe String(cString: strerror(errno))),
                    remedy: "check the file"
                )
            }
            if count == 0 { break }
            filled += count
        }
        return Array(buffer[..<filled])
    }

    private static func decode(_ text: [UInt8], _ path: String) throws(Refusal) -> SecretBytes {
        let decoded: [UInt8]?
        if text.starts(with: Array("0x".utf8)) {
            decoded = hexadecimalBytes(text.dropFirst(2))
        } else if text.starts(with: Array("0s".utf8)) {
            decoded = base64Bytes(text.dropFirst(2))
        } else {
            return SecretBytes(text)
        }
        guard var bytes = decoded, !bytes.isEmpty else {
            throw Refusal(
                reason: "the secret in \(path) begins with 0x or 0s but is not valid "
                    + "hexadecimal or base64",
                remedy: "mend the encoding, or remove the prefix if it is part of the secret"
            )
        }
        return SecretBytes(consuming: &bytes)
    }

    private static func hexadecimalBytes(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count.isMultiple(of: 2) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.count / 2)
        var high: UInt8?
        for character in text {
            guard let digit = Character(UnicodeScalar(character)).hexDigitValue else { return nil }
            if let upper = high {
                result.append(upper << 4 | UInt8(digit))
                high = nil
            } else {
                high = UInt8(digit)
            }
        }
        return result
    }

    private static func base64Bytes(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var held = 0
        for character in text.dropLast(padding) {
            guard let digit = base64Digit(character) else { return nil }
            bits = bits << 6 | digit
            held += 6
            if held >= 8 {
                held -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
            }
        }
        return result
    }

    private static func base64Digit(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
