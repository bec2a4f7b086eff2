internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives

/// Secrets that were handed out: once everything is down, none may be left.
struct SecretWatch {
    private struct Watched {
        let name: String
        weak var secret: SecretBytes?
    }

    private var watched: [Watched] = []

    mutating func watch(_ child: ChildSAInstallation, at gateway: Int) {
        if watched.count > 256 { watched.removeAll { $0.secret == nil } }
        // Those that an algorithm does not need are empty, and nobody's.
        let keys = [child.inboundKeys, child.outboundKeys].flatMap {
            [$0.encryption, $0.integrity]
        }
        for key in keys where key.count > 0 {
            watched.append(
                Watched(
                    name:
                        "g\(gateway), \(child.connection)/\(child.child), SPI \(child.inboundSPI)",
                    secret: key
                )
            )
        }
    }

    /// The name of one that is still there.
    var survivor: String? { watched.first { $0.secret != nil }?.name }
}
