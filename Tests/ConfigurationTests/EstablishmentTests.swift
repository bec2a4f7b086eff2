import Configuration
import IPsecPrimitives
import Testing

@Suite("Establishment of IKE SAs")
struct EstablishmentTests {
    private func connection(_ line: String) throws -> ConnectionConfiguration {
        let result = read(Sample.connection(line))
        #expect(result.diagnostics == [])
        return try #require(result.configuration?.connections.first)
    }

    @Test func fragmentSize() throws {
        func size(_ line: String) throws -> Int? {
            try connection(line).establishment.fragmentSize.value
        }
        #expect(try size("fragment-size: 576") == 576)
        #expect(try size("fragment-size: off") == nil)
        #expect(try size("liveness: off") == 1280)
        for text in ["399", "9001", "none"] {
            let result = read(Sample.connection("fragment-size: \(text)"))
            #expect(
                result.diagnostics.first?.description.contains("400 to 9000, or off") == true,
                "\(result.diagnostics)"
            )
        }
    }

    @Test func postquantumPresharedKey() throws {
        let ppk = try #require(
            try connection("ppk: {id: site-2026, secret-file: x.ppk, required: false}")
                .establishment.ppk
        )
        #expect(ppk.identifier == "site-2026" && !ppk.isRequired)
        #expect(ppk.secretFile.value.hasSuffix("x.ppk"))
        let plain = try #require(
            try connection("ppk: {id: a, secret-file: /x}").establishment.ppk
        )
        #expect(plain.isRequired && plain.secretFile.value == "/x")
        for line in ["ppk: {id: a}", "ppk: {secret-file: x}", "ppk: {id: a b, secret-file: x}"] {
            #expect(read(Sample.connection(line)).diagnostics.count == 1)
        }
    }

    @Test func choicesOfTheFirstExchanges() throws {
        let plain = try connection("liveness: off").establishment
        #expect(plain.preventsDowngrade.value && plain.childless.value == .allow)
        let other = try connection("downgrade-prevention: false").establishment
        #expect(!other.preventsDowngrade.value)
        #expect(try connection("childless: force").establishment.childless.value == .force)
        let result = read(Sample.connection("childless: always"))
        #expect(result.configuration == nil, "\(result.diagnostics)")
    }

    @Test(arguments: [
        ("aes256gcm16-prfsha256-x25519-ke1_mlkem768", [[36]]),
        ("aes256gcm16-prfsha256-x25519-ke1_mlkem1024-ke1_mlkem768-ke1_none", [[37, 36, 0]]),
        ("aes256gcm16-prfsha256-x25519-ke3_ecp384-ke1_mlkem768", [[36], [20]]),
    ])
    func additionalKeyExchanges(text: String, methods: [[UInt16]]) throws {
        let connection = try connection("ike-proposals: \(text)")
        let proposal = try #require(connection.ikeProposals.first?.value)
        #expect(proposal.additionalKeyExchanges.map { $0.methods.map(\.rawValue) } == methods)
        let again = try self.connection("ike-proposals: \(proposal.description)")
        #expect(again.ikeProposals.first?.value == proposal)
    }

    @Test(arguments: [
        ("x25519-ke1_x25519", "uses one key exchange method twice", "ke2_ecp384"),
        ("x25519-ke1_mlkem768-ke2_mlkem768", "uses one key exchange method twice", "a method of"),
        ("x25519-ke1_mlkem678", "is not an additional key exchange", "ke1_mlkem768"),
        ("x25519-ke8_mlkem768", "is not an additional key exchange", "ke1_ to ke7_"),
        ("x25519-ke1_sha256", "is not an additional key exchange", "ke1_none"),
        ("x25519-ke1_mlkem512", "is not supported", "x25519"),
    ])
    func wrongAdditionalKeyExchanges(text: String, message: String, hint: String) {
        let result = read(Sample.connection("ike-proposals: aes256gcm16-prfsha256-\(text)"))
        #expect(
            Expected("", 6, 20, message, hint: hint).isFound(in: result),
            "\(result.diagnostics)"
        )
    }

    @Test func anAdditionalKeyExchangeNeedsAFirst() {
        let result = read(Sample.tunnel("esp-proposals: aes256gcm16-ke1_mlkem768"))
        #expect(
            result.diagnostics.first?.description.contains("without a first one") == true,
            "\(result.diagnostics)"
        )
    }

    @Test func aLargeFirstKeyExchangeIsWarnedOf() {
        let result = read(
            Sample.connection("ike-proposals: aes256gcm16-prfsha256-mlkem768")
        )
        #expect(result.configuration != nil)
        #expect(
            result.diagnostics.map(\.severity) == [.warning],
            "\(result.diagnostics)"
        )
    }
}
