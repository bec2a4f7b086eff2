internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives
internal import Testing

@testable internal import Gateway

@Suite struct TraceKeysTests {
    private func pair(_ number: UInt32) -> ChildSAInstallation {
        let keys = ESPKeys(
            encryption: SecretBytes([UInt8](repeating: 7, count: 20)),
            integrity: SecretBytes([])
        )
        let end = Endpoint(address: .unspecified(.v4), port: 4500)
        return ChildSAInstallation(
            connection: "site",
            child: "net",
            inboundSPI: SPI(rawValue: 0x1000 + number),
            outboundSPI: SPI(rawValue: 0x2000 + number),
            inboundKeys: keys,
            outboundKeys: keys,
            encryption: .encryption(.aesGCM16, keyLengthBits: 128),
            integrity: nil,
            isExtendedSequence: true,
            localSelectors: [.everything(.v4)],
            remoteSelectors: [.everything(.v4)],
            path: ChildSAPath(local: end, remote: end, isEncapsulated: true),
            replaces: nil,
            isUsedOutboundAtOnce: true,
            peerIdentity: "peer"
        )
    }

    /// A client takes so much at once; the rest comes at its next looks, each pair once.
    @Test func theKeysOfManyAreToldInPortions() {
        let keys = TraceKeys()
        for number in 0..<25 as Range<UInt32> { keys.learn(pair(number)) }
        for number in [3, 9, 10, 24] as [UInt32] { keys.forget(SPI(rawValue: 0x1000 + number)) }
        var told = 0
        var portions: [[String]] = []
        repeat {
            let (lines, last) = keys.lines(after: told, limit: 10)
            if lines.isEmpty { break }
            portions.append(lines)
            told = last
        } while portions.count < 10
        #expect(portions.map(\.count) == [20, 20, 2])
        #expect(Set(portions.joined()).count == 42)
        keys.learn(pair(99))
        #expect(keys.lines(after: told, limit: 10).lines.count == 2)
    }
}
