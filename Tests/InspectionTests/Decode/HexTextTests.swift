import Inspection
import Testing

@Suite struct HexTextTests {
    @Test(arguments: [
        "0a0b0c", "0A 0B 0C", "0a:0b:0c", "0x0a0b0c\n", "0a\n0b\r\n0c\n",
        "00000000: 0a0b 0c                                  ...\n",
        "\t0x0000:  0a0b 0c                                  ...\n",
    ])
    func shapes(text: String) {
        #expect(HexText.bytes(of: text) == [10, 11, 12])
    }

    @Test(arguments: ["", "\n", "0a0", "hello", "0g"])
    func other(text: String) {
        #expect(HexText.bytes(of: text) == nil)
    }
}
