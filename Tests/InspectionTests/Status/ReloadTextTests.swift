import Inspection
import Management
import Testing

@Suite("What a reload came to, for people")
struct ReloadTextTests {
    @Test func saysWhatIsOther() {
        let status = ReloadStatus(
            file: "a.yaml",
            isInForce: true,
            kept: ["a", "a/net"],
            changed: [.init(name: "b", keys: ["remote", "secret"])],
            added: ["c", "c/net"],
            gatewayKeys: ["mtu"],
            policiesChanged: true
        )
        #expect(
            ReloadText(status).lines == [
                "a.yaml is in force", "  added   c, c/net", "  changed b (remote, secret)",
                "  gateway mtu", "  the order or the entries of policies changed",
                "  kept    a, a/net",
            ]
        )
        #expect(ReloadText(status).complaints.isEmpty)
    }

    @Test func saysWhyNothingHasChanged() {
        let status = ReloadStatus(
            file: "a.yaml",
            isInForce: false,
            problems: [
                .init(place: "a.yaml:3:1", text: "error: nonsense", remedy: "remove it"),
                .init(place: nil, text: "error: more", remedy: nil),
            ]
        )
        #expect(ReloadText(status).lines.isEmpty)
        #expect(
            ReloadText(status).complaints == [
                "a.yaml:3:1: error: nonsense", "    hint: remove it", "error: more",
                "a.yaml cannot be used; the configuration in force stays",
            ]
        )
    }
}
