import Configuration
import ConnectionControl
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

/// Two sites, what lies between them, and a clock that only the test moves.
final class Network {
    let left: Site
    let right: Site
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// Whether datagrams arrive.
    var isConnected = true
    /// Which of them do.
    var passes: (IKEDatagram) -> Bool = { _ in true }
    /// Octets of the largest IP datagram that arrives, with its headers.
    var largestDatagram = 65_535
    private var lastToken: UInt64 = 0

    /// `lines` stand in both tunnels `net`; `start` is the left end's and, unless named, the right
    /// end's.
    init(
        start: String = "on-traffic",
        rightStart: String? = nil,
        lines: String = "",
        connectionLines: String = "",
        leftAddress: String = "192.0.2.1",
        leftPeer: String = "192.0.2.2",
        tunnels: [String] = ["net"],
        rightSecret: String = "a secret between two",
        seed: UInt64 = 1
    ) throws {
        func text(
            _ own: Int,
            _ other: Int,
            start: String,
            localAddress: String,
            peer: String
        ) -> String {
            var lines = [
                "connections:", "  site:",
                "    local: {address: \(localAddress), id: site\(own).example}",
                "    remote: {address: \(peer), id: site\(other).example}",
                "    secret-file: site.secret",
            ]
            if !connectionLines.isEmpty { lines.append("    \(connectionLines)") }
            lines.append("    tunnels:")
            for (number, tunnel) in tunnels.enumerated() {
                lines += [
                    "      \(tunnel):", "        local: 10.\(own).\(number).0/24",
                    "        remote: 10.\(other).\(number).0/24", "        start: \(start)",
                ]
                if !tunnelLines.isEmpty { lines.append("        \(tunnelLines)") }
            }
            return lines.joined(separator: "\n") + "\n"
        }
        let tunnelLines = lines
        left = try Site(
            text(1, 2, start: start, localAddress: leftAddress, peer: leftPeer),
            address: "192.0.2.1",
            secret: "a secret between two",
            seed: seed
        )
        right = try Site(
            text(
                2,
                1,
                start: rightStart ?? start,
                localAddress: "192.0.2.2",
                peer: "192.0.2.1"
            ),
            address: "192.0.2.2",
            secret: rightSecret,
            seed: seed &+ 50
        )
    }

    /// Two ends with tunnels of their own: `net: {local: 10.1.0.0/16, …}`.
    init(left leftTunnels: [String], right rightTunnels: [String], seed: UInt64 = 1) throws {
        func text(_ own: Int, _ other: Int, _ tunnels: [String]) -> String {
            let lines =
                [
                    "connections:", "  site:",
                    "    local: {address: 192.0.2.\(own), id: site\(own).example}",
                    "    remote: {address: 192.0.2.\(other), id: site\(other).example}",
                    "    secret-file: site.secret", "    tunnels:",
                ] + tunnels.map { "      \($0)" }
            return lines.joined(separator: "\n") + "\n"
        }
        let secret = "a secret between two"
        left = try Site(
            text(1, 2, leftTunnels),
            address: "192.0.2.1",
            secret: secret,
            seed: seed
        )
        right = try Site(
            text(2, 1, rightTunnels),
            address: "192.0.2.2",
            secret: secret,
            seed: seed &+ 50
        )
    }

    /// A packet from one host to another finds no SA.
    func packet(
        at site: Site,
        from source: String,
        to destination: String,
        port: UInt16 = 53,
        tunnel: String = "net"
    ) {
        let path = TunnelPath(connection: "site", tunnel: tunnel)
        guard let policy = site.controller.policy(of: path) else {
            Issue.record("no tunnel \(tunnel)")
            return
        }
        let tuple = PacketTuple(
            source: IPAddress(source)!,
            destination: IPAddress(destination)!,
            ipProtocol: 17,
            sourcePort: 4000,
            destinationPort: port
        )
        handle(.packetPath(.acquire(policy, tuple)), at: site)
    }

    /// Both ends run.
    func start() {
        left.start(at: now)
        right.start(at: now)
        settle()
    }

    /// Changes the configuration of one end while it runs.
    @discardableResult
    func reload(
        _ site: Site,
        secret: String? = nil,
        settle: Bool = true,
        _ change: (String) -> String
    ) throws -> ConfigurationChange {
        let result = try site.reload(change(site.text), secret: secret, at: now)
        if settle { self.settle() }
        return result
    }

    func handle(_ event: ControlEvent, at site: Site) {
        site.handle(event, at: now)
        settle()
    }

    func carry(from sender: Site, to receiver: Site) {
        let datagrams = sender.outbox
        sender.outbox = []
        guard isConnected else { return }
        for datagram in datagrams where passes(datagram) {
            // Nobody is there.
            guard datagram.remote.address == receiver.address else { continue }
            guard datagram.bytes.count + 28 <= largestDatagram else { continue }
            let arriving = IKEDatagram(
                bytes: datagram.bytes,
                local: datagram.remote,
                remote: datagram.local
            )
            receiver.handle(.datagram(arriving), at: now)
        }
    }

    /// Carries datagrams until no more are under way.
    func settle() {
        var rounds = 0
        while !left.outbox.isEmpty || !right.outbox.isEmpty {
            rounds += 1
            guard rounds < 10_000 else {
                Issue.record("the dialogue does not end")
                return
            }
            carry(from: left, to: right)
            carry(from: right, to: left)
        }
    }

    /// Lets time pass, with every timeout and datagram on the way.
    func advance(by duration: Duration) {
        let end = now + duration
        settle()
        var steps = 0
        while let due = [left.controller.nextTimeout, right.controller.nextTimeout]
            .compactMap(\.self).min(), due <= end
        {
            steps += 1
            guard steps < 1_000_000 else {
                Issue.record("time stands still")
                return
            }
            now = max(now, due)
            left.handle(.timeout, at: now)
            right.handle(.timeout, at: now)
            settle()
        }
        now = end
    }

    /// A packet of a host at `site` finds no SA.
    func packet(at site: Site, policy: UInt32 = 0) {
        let own: UInt32 = site === left ? 1 : 2
        func host(_ end: UInt32) -> IPAddress {
            .v4(IPv4Address(bits: 0x0a00_0005 + end << 16 + policy << 8))
        }
        let tuple = PacketTuple(
            source: host(own),
            destination: host(3 - own),
            ipProtocol: 17,
            sourcePort: 4000,
            destinationPort: 53
        )
        handle(.packetPath(.acquire(PolicyIdentifier(rawValue: policy), tuple)), at: site)
    }

    func bringUp(_ tunnel: String? = "net", at site: Site) -> RequestToken {
        lastToken += 1
        let token = RequestToken(rawValue: lastToken)
        handle(.bringUp(token, connection: "site", tunnel: tunnel), at: site)
        return token
    }

    func rekey(_ what: KeySubject, at site: Site) -> RequestToken {
        lastToken += 1
        let token = RequestToken(rawValue: lastToken)
        handle(.rekey(token, connection: "site", what), at: site)
        return token
    }

    func takeDown(_ tunnel: String? = "net", at site: Site) -> RequestToken {
        lastToken += 1
        let token = RequestToken(rawValue: lastToken)
        handle(.takeDown(token, connection: "site", tunnel: tunnel), at: site)
        return token
    }

    /// Whether packets of a tunnel pass in both directions: each end takes in what the other sends.
    func passes(_ tunnel: String = "net") -> Bool {
        func passes(from sender: Site, to receiver: Site) -> Bool {
            guard let spi = sender.outboundInUse(tunnel)?.spi else { return false }
            return receiver.inbound.values.contains { $0.spi == spi }
        }
        return passes(from: left, to: right) && passes(from: right, to: left)
    }
}
