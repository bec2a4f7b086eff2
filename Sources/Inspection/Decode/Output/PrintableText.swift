internal import IPsecPrimitives

/// Bytes of a stranger as text that a terminal can show without being steered by it.
enum PrintableText {
    /// Quoted when all are printable ASCII, hexadecimal otherwise.
    static func of(_ bytes: some Collection<UInt8>) -> String {
        if bytes.isEmpty { return "(empty)" }
        guard bytes.allSatisfy({ (0x20...0x7e).contains($0) }) else {
            return hexadecimal(bytes)
        }
        return "\"\(String(decoding: bytes, as: UTF8.self))\""
    }
}
