/// The Security Parameter Index of an ESP or AH SA (RFC 4301 §4.1, RFC 4303 §2.1).
@frozen @usableFromInline
package struct SPI: Numbered, Comparable {
    @usableFromInline package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// RFC 4303 §2.1: zero is for local use and never on the wire; 1 to 255 are reserved by IANA.
    package static let firstUsable = SPI(rawValue: 256)

    package var isReserved: Bool { rawValue < SPI.firstUsable.rawValue }

    @inlinable
    package static func < (left: SPI, right: SPI) -> Bool { left.rawValue < right.rawValue }
}

extension SPI: CustomStringConvertible {
    @usableFromInline package var description: String {
        "0x" + hexadecimal(UInt64(rawValue), digits: 8)
    }
}

/// One half of an IKE SA's name: the SPI that one end chose (RFC 7296 §2.6, §3.1).
@frozen @usableFromInline
package struct IKESPI: Numbered {
    @usableFromInline package let rawValue: UInt64

    @inlinable
    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The responder's SPI in the first message of an IKE SA.
    package static let zero = IKESPI(rawValue: 0)
}

extension IKESPI: CustomStringConvertible {
    @usableFromInline package var description: String { hexadecimal(rawValue, digits: 16) }
}

/// The IP protocol that protects an SA's traffic (RFC 7296 §3.3.1, "Protocol ID").
@frozen @usableFromInline
package struct SecurityProtocol: Numbered {
    @usableFromInline package let rawValue: UInt8

    @inlinable
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// "None" in a Notify payload that concerns no SA.
    package static let none = SecurityProtocol(rawValue: 0)
    package static let ike = SecurityProtocol(rawValue: 1)
    package static let ah = SecurityProtocol(rawValue: 2)
    package static let esp = SecurityProtocol(rawValue: 3)
}

extension SecurityProtocol: CustomStringConvertible {
    @usableFromInline package var description: String {
        switch self {
        case .none: "none"
        case .ike: "IKE"
        case .ah: "AH"
        case .esp: "ESP"
        default: "protocol \(rawValue)"
        }
    }
}

/// `value` in lower-case hexadecimal, padded with zeros to `digits`.
package func hexadecimal(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// Bytes in lower-case hexadecimal, without separators.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes {
        text += hexadecimal(UInt64(byte), digits: 2)
    }
    return text
}
