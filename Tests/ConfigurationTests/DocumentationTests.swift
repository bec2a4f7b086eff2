import Foundation
import Testing

@testable import Configuration

@Suite("Examples and documentation")
struct DocumentationTests {
    private let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    @Test(
        arguments: [
            "reference.yaml", "two-clouds.yaml", "voice-first.yaml",
            "site-to-site/west.yaml", "site-to-site/east.yaml",
        ]
    )
    func examplesAreValid(name: String) throws {
        let result = read(try text("Examples/" + name), file: name)
        #expect(result.diagnostics == [])
        #expect(result.configuration != nil)
    }

    @Test func theTwoSitesFitTogether() throws {
        let sites = try ["west", "east"].map { site in
            let result = read(try text("Examples/site-to-site/\(site).yaml"))
            return try #require(result.configuration?.connections.first)
        }
        #expect(sites[0].localAddress.value == sites[1].onlyRemoteAddress)
        #expect(sites[0].remoteIdentity.value == sites[1].localIdentity.value)
        #expect(
            sites[0].tunnels[0].local.map(\.value) == sites[1].tunnels[0].remote.map(\.value)
        )
        #expect(
            sites[0].tunnels[0].remote.map(\.value) == sites[1].tunnels[0].local.map(\.value)
        )
    }

    @Test func everyKeyIsInTheExampleAndTheReference() throws {
        let example = try text("Examples/reference.yaml")
        let reference = try text("Documentation/configuration.md")
        let keys =
            ConfigurationReader.keys + GatewaySection.keys + GatewaySection.listenKeys
            + ConnectionSection.keys + ConnectionSection.retransmissionKeys + EndSection.keys
            + ConnectionSection.assignmentKeys
            + TunnelSection.keys + DefenceSection.keys
        for key in keys {
            #expect(example.contains("\(key):"), "\(key) is not in the example")
        }
        let traffic =
            TrafficSection.keys + TrafficSection.classKeys + TrafficSection.matchKeys
        for key in keys + traffic + PolicySection.keys + PolicySection.actions {
            let isNamed =
                reference.contains("`\(key)`") || reference.contains(".\(key)`")
                || reference.contains("`\(key).")
                || reference.contains("- \(key): ")
            #expect(isNamed, "\(key) is not in the reference")
        }
    }

    @Test func theDefaultProposalsAreInTheReference() throws {
        let reference = try text("Documentation/configuration.md")
        for proposal in DefaultProposals.ikeText + DefaultProposals.espText {
            #expect(reference.contains("- `\(proposal)`"))
        }
    }

    @Test func theDefaultsOfTheExampleAreTheDefaults() throws {
        let example = try #require(read(try text("Examples/reference.yaml")).configuration)
        var settings = GatewaySettings(location: example.settings.location)
        settings.listenAddresses = example.settings.listenAddresses
        settings.workerProcessors = example.settings.workerProcessors
        #expect(example.settings == settings)
        let plain = try #require(read(Sample.tenLines).configuration?.connections.first)
        let connection = example.connections[0]
        #expect(connection.liveness.value == plain.liveness.value)
        #expect(connection.retransmission.total == plain.retransmission.total)
        #expect(connection.lifetime.value == plain.lifetime.value)
        #expect(connection.keepalive.value == plain.keepalive.value)
        let (setup, usual) = (connection.establishment, plain.establishment)
        #expect(setup.fragmentSize.value == usual.fragmentSize.value)
        #expect(setup.preventsDowngrade.value == usual.preventsDowngrade.value)
        #expect(setup.childless.value == usual.childless.value)
        let (tunnel, bare) = (connection.tunnels[0], plain.tunnels[0])
        #expect(tunnel.lifetime.value == bare.lifetime.value)
        #expect(tunnel.dontFragment.value == bare.dontFragment.value)
        #expect(tunnel.dscp.value == bare.dscp.value)
        #expect(tunnel.mssClamp.value == bare.mssClamp.value)
        #expect(tunnel.mtu.value == bare.mtu.value)
        #expect(tunnel.replayWindow.value == bare.replayWindow.value)
    }
}
