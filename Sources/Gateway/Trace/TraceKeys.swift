internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives

/// The keys of the SAs in place, kept beside the packet path for those who decode captures; only
/// where the configuration says `trace-keys: true`.
final class TraceKeys {
    private var installed: [SPI: ChildSAInstallation] = [:]
    /// In the order in which they came; for traces to tell each pair once.
    private var order: [(number: Int, spi: SPI)] = []
    private var lastNumber = 0

    func learn(_ child: ChildSAInstallation) {
        lastNumber += 1
        installed[child.inboundSPI] = child
        order.append((lastNumber, child.inboundSPI))
    }

    /// What is gone is wiped with its last owner.
    func forget(_ inboundSPI: SPI) {
        installed[inboundSPI] = nil
        order.removeAll { $0.spi == inboundSPI }
    }

    /// Lines of `esp_sa` for the pairs that came after `number`, and the number of the last of these.
    ///
    /// - Parameter limit: pairs of one answer; the others are those after the number that it gives.
    func lines(after number: Int, limit: Int) -> (lines: [String], last: Int) {
        var lines: [String] = []
        var count = 0
        for entry in order where entry.number > number {
            guard count < limit else { return (lines, entry.number - 1) }
            guard let child = installed[entry.spi] else { continue }
            lines += TraceKeys.lines(child)
            count += 1
        }
        return (lines, lastNumber)
    }

    private static func lines(_ child: ChildSAInstallation) -> [String] {
        guard child.securityProtocol == .esp,
            let suite = CipherSuite(encryption: child.encryption, integrity: child.integrity)
        else { return [] }
        let version = child.path.local.address.version
        return [
            PacketKeyLine.text(
                spi: child.inboundSPI,
                version: version,
                suite: suite,
                keys: child.inboundKeys
            ),
            PacketKeyLine.text(
                spi: child.outboundSPI,
                version: version,
                suite: suite,
                keys: child.outboundKeys
            ),
        ].compactMap(\.self)
    }
}
