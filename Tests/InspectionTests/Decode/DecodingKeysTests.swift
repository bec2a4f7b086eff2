import IPsecPrimitives
import Inspection
import Testing

@Suite struct DecodingKeysTests {
    private static let key36 = String(repeating: "0a", count: 36)

    @Test func oneLine() {
        var keys = DecodingKeys()
        keys.addMessageTable(
            """
            # a comment

            0000000000000001,0000000000000002,\(DecodingKeysTests.key36),\(DecodingKeysTests.key36),\
            "AES-GCM-256 with 16 octet ICV [RFC5282]",,,"NONE [RFC4306]"
            """
        )
        #expect(keys.problems == [])
        let found = keys.messageKeys(
            initiator: IKESPI(rawValue: 1),
            responder: IKESPI(rawValue: 2)
        )
        #expect(found.map(\.name) == ["AES-GCM-256 with 16 octet ICV"])
    }

    @Test func linesThatAreNotUnderstoodAreNamed() {
        var keys = DecodingKeys()
        keys.addMessageTable(
            "1,2,3\nzz,1,00,00,\"AES-CBC-256\",,,\"NONE\"\n1,2,00,00,\"DES\",,,\"NONE\""
        )
        keys.addPacketTable(
            "\"IPv4\",\"*\",\"*\",\"0x1\",\"AES-CBC [RFC3602]\",\"0x00\",\"NULL\",\"\""
        )
        #expect(keys.isEmpty)
        #expect(
            keys.problems == [
                "line 1: 8 fields wanted, 3 found", "line 2: the SPIs are not hexadecimal",
                "line 3: DES with these keys is not supported",
                "line 1: AES-CBC with these keys is not supported",
            ]
        )
    }
}
