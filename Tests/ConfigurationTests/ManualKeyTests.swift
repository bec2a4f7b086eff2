import IPsecPrimitives
import Testing

@testable import Configuration

@Suite("Manual keys")
struct ManualKeyTests {
    static let connection = """
        connections:
          radar:
            keys: manual
            local: 192.0.2.1
            remote: 192.0.2.2
            tunnels:
              net:
                local: 10.1.0.0/16
                remote: 10.2.0.0/16
                esp-proposals: aes256-sha256
                in: {spi: 0x1000, encryption-key-file: in.enc, integrity-key-file: in.int}
                out: {spi: 4097, encryption-key-file: out.enc, integrity-key-file: /k/out.int}

        """

    @Test("SPIs, algorithms and key files are read, and each check warns")
    func read() throws {
        let result = GatewayConfiguration.read(
            Array(Self.connection.utf8),
            file: "/etc/cygnet/a.yaml"
        )
        #expect(result.errors == [])
        let warning = try #require(result.warnings.first)
        #expect(result.warnings.count == 1 && warning.location.line == 3)
        #expect(warning.message.contains("can send it again"))
        let configuration = try #require(result.configuration)
        let connection = configuration.connections[0]
        #expect(connection.isManual && connection.secretFile == nil)
        #expect(connection.encapsulation.value == .esp && configuration.negotiatedConnections == [])
        let tunnel = connection.tunnels[0]
        #expect(tunnel.espProposals.map(\.value.description) == ["aes256-sha256-noesn"])
        #expect(configuration.manualTunnels == [tunnel])
        let keys = try #require(tunnel.manualKeys)
        #expect(keys.inbound.spi.value == SPI(rawValue: 0x1000))
        #expect(keys.outbound.spi.value == SPI(rawValue: 4097))
        #expect(keys.inbound.keyFiles.map(\.value) == ["/etc/cygnet/in.enc", "/etc/cygnet/in.int"])
        #expect(keys.outbound.keyFiles.map(\.value) == ["/etc/cygnet/out.enc", "/k/out.int"])
        #expect(configuration.policies.map(\.action) == [.protect(tunnel.path)])
    }

    @Test("AH and ESP without encryption have no encryption key")
    func integrityAlone() throws {
        for proposal in ["ah-proposals: sha256", "esp-proposals: null-sha256"] {
            let text = Self.connection.replacing("esp-proposals: aes256-sha256", with: proposal)
            let refused = Cygnet.read(text)
            #expect(refused.errors.count == 2)
            #expect(refused.errors.allSatisfy { $0.message.contains("do not encrypt") })
            let mended = text.replacing("encryption-key-file: in.enc, ", with: "")
                .replacing("encryption-key-file: out.enc, ", with: "")
            let keys = Cygnet.read(mended).configuration?.manualTunnels.first?.manualKeys
            #expect(keys?.inbound.keyFiles.count == 1)
        }
    }

    @Test(
        "what keys cannot stay with is refused, with the reason",
        arguments: [
            ("aes256gcm16", "never use a number twice"), ("aes128ccm8", "never use a number twice"),
            ("chacha20poly1305", "RFC 8221 §3"), ("aes128ctr-sha256", "RFC 3686 §7"),
            ("aes256gmac", "never use a number twice"),
            ("aes256gcm16iiv", "never use a number twice"),
            ("aes256-sha256-esn", "needs a replay window"),
            ("aes256-sha256-x25519", "exchanges keys"),
            ("aes256-aes128-sha256", "leaves a choice"),
            ("aes256-sha256-sha512", "leaves a choice"),
            ("[aes256-sha256, aes128-sha256]", "several proposals"),
        ]
    )
    func refusedAlgorithms(proposal: String, reason: String) {
        let text = Self.connection.replacing(": aes256-sha256", with: ": \(proposal)")
        let result = Cygnet.read(text)
        #expect(result.configuration == nil)
        #expect(result.errors.count == 1 && result.errors[0].message.contains(reason))
        #expect(result.errors[0].location.line == 10)
    }

    @Test("GMAC of AH counts as well")
    func authenticationOfCounting() {
        let text = Self.connection.replacing(
            "esp-proposals: aes256-sha256",
            with: "ah-proposals: aes128gmac"
        )
        #expect(
            Cygnet.read(text).errors.first?.message.contains("never use a number twice") == true
        )
    }

    @Test("weak algorithms need leave, as anywhere")
    func weak() {
        let text = Self.connection.replacing(": aes256-sha256", with: ": 3des-sha1")
        #expect(Cygnet.read(text).errors.count == 2)
        let allowed = text.replacing("keys: manual", with: "keys: manual\n    allow-weak: true")
        #expect(Cygnet.read(allowed).errors == [] && Cygnet.read(allowed).warnings.count == 3)
    }

    @Test(
        "what would be negotiated, or needs a clock, is refused",
        arguments: [
            ("keys: manual", "keys: manual\n    liveness: 30s", "\"liveness\" means nothing"),
            ("keys: manual", "keys: manual\n    secret-file: x", "\"secret-file\" means nothing"),
            ("keys: manual", "keys: manual\n    encapsulation: auto", "whether there is a NAT"),
            ("esp-", "start: by-hand\n        esp-", "as long as the gateway runs"),
            ("esp-", "lifetime: 1h\n        esp-", "nothing would make new keys"),
            ("esp-", "replay-window: 64\n        esp-", "begins again with the first"),
            ("esp-", "resources: 2\n        esp-", "such SAs are negotiated"),
            ("remote: 192.0.2.2", "remote: {address: b.example, id: b}", "is not one address"),
            ("remote: 192.0.2.2", "remote: {address: 192.0.2.2, id: b.example}", "has an id"),
            ("local: 192.0.2.1", "local: {id: a.example}", "is not one address"),
            ("spi: 4097", "spi: 255", "reserved (RFC 4303 §2.1)"),
            ("spi: 4097", "spi: 0", "reserved (RFC 4303 §2.1)"),
            ("spi: 4097", "spi: 0x100000000", "out of range"),
            ("spi: 4097, ", "", "has no \"spi\""),
            ("encryption-key-file: in.enc, ", "", "has no \"encryption-key-file\""),
            ("integrity-key-file: in.int", "integrity-key: 0x00", "unknown key"),
        ]
    )
    func refusedKeys(old: String, new: String, reason: String) {
        let result = Cygnet.read(Self.connection.replacing(old, with: new, maxReplacements: 1))
        #expect(result.configuration == nil)
        #expect(result.errors.contains { $0.message.contains(reason) }, "\(result.errors)")
    }

    @Test("one direction missing, or no proposal")
    func missing() {
        let lines = Self.connection.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, what) in [(10, "\"in\""), (11, "\"out\""), (9, "no proposals")] {
            var rest = lines
            rest.remove(at: index)
            let result = Cygnet.read(rest.joined(separator: "\n"))
            #expect(result.errors.contains { $0.message.contains(what) }, "\(result.errors)")
        }
    }

    @Test("SPIs tell SAs apart")
    func sameSPI() {
        let second = Self.connection.replacing("connections:\n", with: "")
            .replacing("radar", with: "sonar").replacing("10.2.", with: "10.3.")
        let result = Cygnet.read(Self.connection + second)
        #expect(result.errors.map(\.location.line) == [22, 23])
        #expect(result.errors.allSatisfy { $0.message.contains("\"radar/net\"") })
        // Outbound SPIs are the peer's.
        let elsewhere = second.replacing("192.0.2.2", with: "192.0.2.3")
            .replacing("0x1000", with: "0x1001")
        #expect(Cygnet.read(Self.connection + elsewhere).errors == [])
    }

    @Test("a key of both directions is warned of")
    func sharedKey() {
        let text = Self.connection.replacing("out.enc", with: "in.enc")
        let warnings = Cygnet.read(text).warnings
        #expect(warnings.count == 2 && warnings[1].message.contains("both directions"))
    }

    @Test("IKE chooses SPIs and keys where keys are not manual")
    func halvesOfNegotiated() {
        let result = Cygnet.read(Sample.tunnel("in: {spi: 0x1000}"))
        #expect(
            result.errors.map(\.message) == [
                "\"in\" in tunnel \"branch/net\" has SPIs and keys, which IKE chooses"
            ]
        )
    }

    @Test("UDP, transport mode and interfaces stay possible")
    func carriages() throws {
        let text = Self.connection
            .replacing("keys: manual", with: "keys: manual\n    encapsulation: udp")
            .replacing(
                "local: 10.1.0.0/16",
                with: "mode: transport\n        local: 192.0.2.1"
            )
            .replacing("remote: 10.2.0.0/16", with: "remote: 192.0.2.2")
        let connection = try #require(Cygnet.read(text).configuration?.connections.first)
        #expect(connection.encapsulation.value == .udp)
        #expect(connection.tunnels[0].carriage.mode.value == .transport)
    }
}

/// The reader by another name than the suite's own test.
private enum Cygnet {
    static func read(_ text: String) -> ConfigurationResult {
        GatewayConfiguration.read(Array(text.utf8), file: "a.yaml")
    }
}
