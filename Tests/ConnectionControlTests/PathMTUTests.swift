internal import ConnectionControl
internal import IPsecPrimitives
internal import Testing

@Suite("The path MTU that is believed")
struct PathMTUTests {
    @Test(arguments: [
        (1400, IPVersion.v4, 1400), (68, .v4, 576), (68, .v6, 1280), (9000, .v6, 1500),
    ])
    func staysWithinBounds(octets: Int, version: IPVersion, believed: Int) {
        let result = ConnectionController.believedMTU(octets, of: version, linkMTU: 1500)
        #expect(result == believed)
    }

    @Test func anUnknownSizeChangesNothing() {
        #expect(ConnectionController.believedMTU(0, of: .v4, linkMTU: 1500) == nil)
    }
}
