import IKECredentials
import IKEProtocol
import IPsecPrimitives

/// One engine with what it has done so far.
final class Party {
    let name: String
    let address: IPAddress
    let engine: IKEEngine
    private(set) var reports: [IKEReport] = []
    /// Every SA pair ever installed, by inbound SPI.
    private(set) var installed: [SPI: ChildSAInstallation] = [:]
    /// Inbound SPIs of the pairs that are there, in the order of their installation.
    private(set) var present: [SPI] = []
    /// The inbound SPI of the pair that outbound traffic of a child uses.
    private(set) var active: [String: SPI] = [:]
    /// Pairs that were preferred, the last one last: the packet path falls back to them.
    private var preferred: [String: [SPI]] = [:]
    private(set) var keepalives = 0
    /// TCP connections that it wants opened.
    private(set) var openings: [(attempt: StreamAttempt, local: IPAddress, remote: Endpoint)] = []
    /// TCP connections that it wants closed.
    private(set) var closings: [StreamEnds] = []
    private(set) var endpointUpdates: [ChildSAPath] = []
    /// Where packets of the youngest pair go.
    var packetPath: ChildSAPath? { endpointUpdates.last ?? children.last?.path }
    var outbox: [IKEDatagram] = []
    private(set) var redirections: [Redirection] = []
    var probes: [PathMTUProbe] = []
    private var routeQuestions: [IPAddress] = []
    /// Who answers questions about the routing table.
    var onRoute: ((IPAddress) -> Void)?
    /// What changed for packets, among the datagrams sent, in order.
    private(set) var steps: [Step] = []

    enum Step: Equatable {
        case sends, receivesByNewSA, usesNewSA
    }

    init(_ name: String, _ address: String, settings: EngineSettings, seed: UInt64) {
        self.name = name
        self.address = IPAddress(address)!
        engine = IKEEngine(settings: settings, random: SeededRandomSource(seed: seed))
    }

    func absorb(_ effects: [IKEEffect]) {
        for effect in effects {
            note(effect)
            switch effect {
            case .send(let datagram): outbox.append(datagram)
            case .sendKeepalive: keepalives += 1
            case .installChildSA(let child):
                installed[child.inboundSPI] = child
                present.append(child.inboundSPI)
                if child.isUsedOutboundAtOnce { prefer(child.inboundSPI) }
            case .useChildSAOutbound(let spi): prefer(spi)
            case .removeChildSA(let spi, _):
                present.removeAll { $0 == spi }
                guard let child = installed[spi]?.child else { continue }
                preferred[child]?.removeAll { $0 == spi }
                active[child] = preferred[child]?.last
            case .updateEndpoints(_, let path): endpointUpdates.append(path)
            case .openStream(let attempt, let local, let remote):
                openings.append((attempt, local, remote))
            case .abandonStream(let attempt): openings.removeAll { $0.attempt == attempt }
            case .closeStream(let local, let remote):
                closings.append(StreamEnds(local: local, remote: remote))
            case .findRoute(let remote): routeQuestions.append(remote)
            case .pathMTUProbed(let probe): probes.append(probe)
            case .redirected(let redirection): redirections.append(redirection)
            case .report(let report): reports.append(report)
            }
        }
    }

    private func prefer(_ spi: SPI) {
        guard let child = installed[spi]?.child, present.contains(spi) else { return }
        preferred[child, default: []].removeAll { $0 == spi }
        preferred[child, default: []].append(spi)
        active[child] = spi
    }

    func takeOpenings() -> [(attempt: StreamAttempt, local: IPAddress, remote: Endpoint)] {
        defer { openings = [] }
        return openings
    }

    func takeClosings() -> [StreamEnds] {
        defer { closings = [] }
        return closings
    }

    func takeRouteQuestions() -> [IPAddress] {
        defer { routeQuestions = [] }
        return routeQuestions
    }

    private func note(_ effect: IKEEffect) {
        switch effect {
        case .send: steps.append(.sends)
        case .installChildSA(let child):
            steps.append(.receivesByNewSA)
            if child.isUsedOutboundAtOnce { steps.append(.usesNewSA) }
        case .useChildSAOutbound: steps.append(.usesNewSA)
        default: break
        }
    }

    var children: [ChildSAInstallation] { present.compactMap { installed[$0] } }

    func activeChild(_ name: String) -> ChildSAInstallation? {
        active[name].flatMap { installed[$0] }
    }

    var failures: [NegotiationFailure] {
        reports.compactMap { report in
            switch report.event {
            case .initiationFailed(let failure), .refused(let failure): failure
            default: nil
            }
        }
    }

    func count(_ isWanted: (IKEReport.Event) -> Bool) -> Int {
        reports.count { isWanted($0.event) }
    }

    var establishedIKESAs: [IKESAStatus] {
        engine.status(at: .origin).ikeSAs.filter { $0.stage == .established }
    }
}
