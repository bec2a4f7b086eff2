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

    @Test(arguments: [(600, IPVersion.v4, 1000), (1290, .v6, 1300), (1000, .v4, 1000)])
    func isNeverBelowTheFloor(octets: Int, version: IPVersion, believed: Int) {
        let floor = version == .v4 ? 1000 : 1300
        let result = ConnectionController.believedMTU(
            octets,
            of: version,
            linkMTU: 1500,
            floor: floor
        )
        #expect(result == believed)
        let low = ConnectionController.believedMTU(600, of: .v6, linkMTU: 1500, floor: 576)
        #expect(low == 1280)
    }

    @Test func anUnknownSizeChangesNothing() {
        #expect(ConnectionController.believedMTU(0, of: .v4, linkMTU: 1500) == nil)
    }
}
