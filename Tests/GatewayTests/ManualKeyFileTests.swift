internal import Configuration
internal import ConnectionControl
internal import Glibc
internal import IPsecCrypto
internal import IPsecPrimitives
internal import NamespaceTesting
internal import Testing

@testable internal import Gateway

@Suite struct ManualKeyFileTests {
    private func write(_ text: String, to path: String) throws {
        let descriptor = unsafe open(path, O_CREAT | O_TRUNC | O_WRONLY, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeMutableBytes {
            unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
        }
    }

    /// The secrets of a configuration with such keys, encryption and integrity of both directions.
    private func secrets(
        _ keys: [String],
        proposal: String = "aes128-sha256"
    ) throws -> Result<ConnectionSecrets, ConnectionSecrets.Refusals> {
        let folder = makeTemporaryFolder(for: "keys")
        let names = ["ie", "ii", "oe", "oi"]
        for (name, key) in zip(names, keys) { try write(key, to: "\(folder)/\(name)") }
        defer {
            for name in names { unsafe unlink("\(folder)/\(name)") }
            unsafe rmdir(folder)
        }
        let text = """
            connections:
              radar:
                keys: manual
                allow-weak: true
                local: 192.0.2.1
                remote: 192.0.2.2
                tunnels:
                  net:
                    local: 10.1.0.0/16
                    remote: 10.2.0.0/16
                    esp-proposals: \(proposal)
                    in: {spi: 0x1000, encryption-key-file: ie, integrity-key-file: ii}
                    out: {spi: 0x1001, encryption-key-file: oe, integrity-key-file: oi}

            """
        let read = GatewayConfiguration.read(Array(text.utf8), file: folder + "/a.yaml")
        let configuration = try #require(read.configuration)
        do throws(ConnectionSecrets.Refusals) {
            return .success(try ConnectionSecrets(reading: configuration))
        } catch {
            return .failure(error)
        }
    }

    private func hexadecimal(_ byte: String, _ count: Int) -> String {
        "0x" + String(repeating: byte, count: count) + "\n"
    }

    @Test func keysAreReadWhereTheyBelong() throws {
        let keys = [("11", 16), ("22", 32), ("33", 16), ("44", 32)].map(hexadecimal)
        let secrets = try secrets(keys).get()
        let pair = try #require(
            secrets.manualKeys[TunnelPath(connection: "radar", tunnel: "net")]
        )
        #expect(pair.inbound.encryption.copy() == [UInt8](repeating: 0x11, count: 16))
        #expect(pair.inbound.integrity.copy() == [UInt8](repeating: 0x22, count: 32))
        #expect(pair.outbound.encryption.copy() == [UInt8](repeating: 0x33, count: 16))
        #expect(pair.outbound.integrity.copy() == [UInt8](repeating: 0x44, count: 32))
    }

    @Test func everyWrongLengthIsTold() throws {
        let keys = [("11", 17), ("22", 31), ("33", 16), ("44", 64)].map(hexadecimal)
        guard case .failure(let refusals) = try secrets(keys) else {
            return #expect(Bool(false), "keys of wrong lengths were taken")
        }
        #expect(refusals.refused.map(\.location.line) == [12, 12, 13])
        #expect(refusals.refused[0].refusal.reason.hasSuffix("17 bytes, and aes128 has keys of 16"))
        #expect(refusals.refused[0].refusal.remedy.contains("32 hexadecimal digits"))
        #expect(refusals.refused[2].refusal.reason.hasSuffix("64 bytes, and sha256 has keys of 32"))
    }

    /// RFC 2451 §2.3; the lowest bit of an octet is parity and makes no difference.
    @Test(arguments: [("00", "01", "77"), ("55", "00", "01"), ("22", "22", "22")])
    func degenerateTripleDES(parts: (String, String, String)) throws {
        let bad =
            "0x"
            + [parts.0, parts.1, parts.2].map { String(repeating: $0, count: 8) }.joined()
        let good =
            "0x" + ["10", "20", "40"].map { String(repeating: $0, count: 8) }.joined()
        let integrity = hexadecimal("22", 32)
        let refused = try secrets([bad, integrity, good, integrity], proposal: "3des-sha256")
        guard case .failure(let refusals) = refused else {
            return #expect(Bool(false), "3des with equal parts was taken")
        }
        #expect(refusals.refused.count == 1)
        #expect(refusals.refused[0].refusal.reason.contains("no better than des"))
    }
}
