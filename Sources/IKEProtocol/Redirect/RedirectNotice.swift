internal import IKEMessages
internal import IPsecPrimitives

/// The content of REDIRECT and REDIRECTED_FROM (RFC 5685 §9.2, §9.3).
struct RedirectNotice: Equatable {
    let target: RedirectTarget
    /// Only in IKE_SA_INIT.
    let nonce: [UInt8]

    private static let ipv4: UInt8 = 1
    private static let ipv6: UInt8 = 2
    private static let name: UInt8 = 3

    init(target: RedirectTarget, nonce: [UInt8] = []) {
        self.target = target
        self.nonce = nonce
    }

    /// Nil when it names nothing that can be reached.
    init?(_ notify: NotifyPayload) {
        let data = notify.data
        guard data.count >= 2, data.count >= 2 + Int(data[1]) else { return nil }
        let identity = data[2..<2 + Int(data[1])]
        switch data[0] {
        case Self.ipv4 where identity.count == 4, Self.ipv6 where identity.count == 16:
            guard let address = IPAddress(bytes: identity), address.isReachableFromAfar else {
                return nil
            }
            target = .address(address)
        case Self.name:
            guard let name = Self.hostName(identity) else { return nil }
            target = .name(name)
        default: return nil
        }
        nonce = Array(data[(2 + Int(data[1]))...])
    }

    /// Letters, digits, dots, dashes and underscores: what is not a host name goes no further.
    private static func hostName(_ bytes: ArraySlice<UInt8>) -> String? {
        let isPlain = bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isPlain, !bytes.isEmpty, bytes.count <= 253 else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    func notify(_ type: NotifyType) -> NotifyPayload {
        let (kind, identity): (UInt8, [UInt8]) =
            switch target {
            case .address(let address):
                (address.version == .v4 ? Self.ipv4 : Self.ipv6, address.bytes)
            case .name(let name): (Self.name, Array(name.utf8.prefix(255)))
            }
        return NotifyPayload(type, data: [kind, UInt8(identity.count)] + identity + nonce)
    }
}

/// How often a connection was sent elsewhere lately (RFC 5685 §7).
struct RedirectHistory {
    /// MAX_REDIRECTS and REDIRECT_LOOP_DETECT_PERIOD.
    static let limit = 5
    static let period: Duration = .seconds(300)

    private var times: [Instant] = []

    /// Whether one more is believed.
    mutating func takes(at now: Instant) -> Bool {
        times.removeAll { now - $0 >= RedirectHistory.period }
        guard times.count < RedirectHistory.limit else { return false }
        times.append(now)
        return true
    }
}
