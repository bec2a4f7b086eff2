internal import AllocationCounting
internal import IPsecPrimitives
internal import Testing

/// RFC 7296 §2.12: once a connection is closed, each end "MUST forget not only the keys used by the
/// connection but also any information that could be used to recompute those keys". Memory that is
/// given back as it was would keep them for whoever gets it next.
@Suite(
    "Secrets are overwritten before their memory is given back",
    .enabled(if: can_watch_release())
)
struct WipingTests {
    private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 255 + 1) } }

    private func watch(_ secret: SecretBytes) {
        unsafe secret.withUnsafeBytes { unsafe watch_release($0.baseAddress, $0.count) }
    }

    /// Of a key, of a Diffie-Hellman secret, and of one that does not fill its block.
    @Test("a secret, when its last reference goes", arguments: [1, 16, 36, 57, 512, 4099])
    func last(count: Int) {
        var secret: SecretBytes? = SecretBytes(pattern(count))
        if let secret { watch(secret) }
        var other = secret
        secret = nil
        #expect(other?.count == count)
        #expect(octets_left_at_release() == -1)
        other = nil
        #expect(octets_left_at_release() == 0)
    }

    @Test("however it was made")
    func made() {
        var plain = pattern(40)
        let ways: [() -> SecretBytes] = [
            { SecretBytes(pattern(40)[...]) },
            { unsafe pattern(40).withUnsafeBytes { unsafe SecretBytes($0) } },
            { SecretBytes(consuming: &plain) },
            { unsafe SecretBytes(count: 40) { unsafe $0.copyBytes(from: pattern(40)) } },
            { SecretBytes(joining: [SecretBytes(pattern(30)), SecretBytes(pattern(10))]) },
            { SecretBytes(pattern(50)).part(5..<45).apart() },
        ]
        for make in ways {
            var secret: SecretBytes? = make()
            if let secret { watch(secret) }
            #expect(secret?.count == 40)
            secret = nil
            #expect(octets_left_at_release() == 0)
        }
    }

    @Test("a whole, when its last part goes")
    func parts() {
        var whole: SecretBytes? = SecretBytes(pattern(96))
        if let whole { watch(whole) }
        var parts = whole.map { [$0.part(0..<32), $0.part(32..<96)] } ?? []
        whole = nil
        parts.removeFirst()
        #expect(parts[0].count == 64)
        #expect(octets_left_at_release() == -1)
        parts = []
        #expect(octets_left_at_release() == 0)
    }

    @Test("an array that is wiped, and one that a secret takes over")
    func arrays() {
        for isTakenOver in [false, true] {
            var plain = pattern(48)
            unsafe plain.withUnsafeBytes { unsafe watch_release($0.baseAddress, $0.count) }
            if isTakenOver { _ = SecretBytes(consuming: &plain) } else { wipe(&plain) }
            #expect(plain.isEmpty)
            #expect(octets_left_at_release() == 0)
        }
    }
}
