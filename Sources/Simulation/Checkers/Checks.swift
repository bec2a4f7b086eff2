internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

/// All checks of a run. They see what leaves the engine and connection control, and what is on the
/// wire; none looks into the engine.
struct Checks {
    let scenario: Scenario
    var children: ChildLedger
    var associations: AssociationLedger
    var packets = PacketNumbers()
    var messages: MessageChecks
    var secrets = SecretWatch()

    init(_ scenario: Scenario) {
        self.scenario = scenario
        children = ChildLedger(scenario)
        associations = AssociationLedger(gateways: scenario.gateways.count)
        messages = MessageChecks(gateways: scenario.gateways.count)
    }

    mutating func installation(
        _ child: ChildSAInstallation,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        secrets.watch(child, at: gateway)
        return children.installed(child, at: gateway, now)
    }

    mutating func command(
        _ command: PacketPathCommand,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        associations.apply(command, at: gateway, now)
    }

    mutating func report(_ report: IKEReport, at gateway: Int, _ now: UInt64) -> Violation? {
        nil
    }

    /// The process of a gateway is gone, with everything in it.
    mutating func stopped(_ gateway: Int, _ now: UInt64) {
        associations.forget(gateway)
        children.forget(gateway)
        messages.forget(gateway)
    }

    mutating func ikeSent(
        _ message: [UInt8],
        by gateway: SimulatedGateway,
        _ now: UInt64,
        _ coverage: inout Coverage
    ) -> Violation? {
        messages.sent(message, by: gateway, now, &coverage)
    }

    mutating func ikeReceived(_ message: [UInt8], at gateway: Int, _ now: UInt64) {}

    mutating func espSent(_ datagram: WireDatagram, by gateway: Int, _ now: UInt64) -> Violation? {
        packets.sent(datagram, by: gateway, now)
    }

    /// Whether the mark of our probes can be read in it.
    func isClear(_ datagram: WireDatagram, _ scenario: Scenario) -> Bool {
        let mark = ProbeTraffic.mark(of: scenario)
        let bytes = datagram.bytes
        guard bytes.count >= mark.count else { return false }
        let first = mark[0]
        for start in 0...bytes.count - mark.count where bytes[start] == first {
            if bytes[start..<start + mark.count].elementsEqual(mark) { return true }
        }
        return false
    }
}
