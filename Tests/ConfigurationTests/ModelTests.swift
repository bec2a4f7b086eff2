import Configuration
import IPsecPrimitives
import Testing

@Suite("What a configuration means")
struct ModelTests {
    @Test func tenLinesAreEnough() throws {
        let result = read(Sample.tenLines, file: "/etc/cygnet/a.yaml")
        #expect(result.diagnostics == [])
        let connection = try #require(result.configuration?.connection(named: "branch"))
        #expect(connection.localAddress.value == IPAddress("192.0.2.1"))
        #expect(connection.remoteIdentity.value == .fullyQualifiedDomainName("b.example"))
        #expect(connection.remoteIdentity.location.description == "/etc/cygnet/a.yaml:4:38")
        #expect(connection.secretFile?.value == "/etc/cygnet/branch.secret")
        #expect(connection.ikeProposals.map(\.value) == DefaultProposals.ike)
        #expect(connection.lifetime.value == .seconds(14_400))
        let tunnel = try #require(connection.tunnels.first)
        #expect(tunnel.path.description == "branch/net")
        #expect(tunnel.start.value == .onTraffic)
        #expect(tunnel.local.map(\.value.description) == ["10.1.0.0/16"])
        #expect(tunnel.replayWindow.value == 1024)
        #expect(result.configuration?.policies.map(\.action) == [.protect(tunnel.path)])
    }

    @Test func defaultProposalsAreWhole() {
        #expect(DefaultProposals.ike.map(\.description).count == DefaultProposals.ikeText.count)
        #expect(DefaultProposals.esp.map(\.description) == DefaultProposals.espText)
        #expect(
            DefaultProposals.ike.last?.transforms(of: .pseudorandomFunction)
                == [.hmacSHA256, .hmacSHA384, .hmacSHA512].map { .pseudorandomFunction($0) }
        )
    }

    @Test func hybridKeyExchangeIsOfferedFirstAndClassicalBehind() {
        let isHybrid = DefaultProposals.ike.map(\.hasAdditionalKeyExchanges)
        #expect(isHybrid == [true, false, false])
        // A peer that has none of it is offered nothing less than before.
        let classical = DefaultProposals.ike[0].transforms.filter {
            !$0.type.isAdditionalKeyExchange
        }
        #expect(classical == DefaultProposals.ike[1].transforms)
        for proposal in DefaultProposals.ike {
            #expect(proposal.transforms(of: .keyExchange).first == .keyExchange(.curve25519))
        }
    }

    @Test func everyKeyOfAConnectionIsRead() throws {
        let text = Sample.connection(
            """
            ike-proposals: [aes256gcm16-prfsha256-x25519, aes128-sha256-modp3072]
            encapsulation: udp
            liveness: off
            retransmission: {initial: 500ms, factor: 2, tries: 3}
            ike-lifetime: 90m
            keepalive: 15s
            """
        )
        let result = read(text)
        #expect(result.diagnostics == [])
        let connection = try #require(result.configuration?.connections.first)
        #expect(
            connection.ikeProposals.map(\.value.description)
                == ["aes256gcm16-prfsha256-x25519", "aes128-sha256-prfsha256-modp3072"]
        )
        #expect(connection.ikeProposals[1].location == .init(file: "a.yaml", line: 6, column: 51))
        #expect(connection.encapsulation.value == .udp)
        #expect(connection.liveness.value == nil)
        #expect(connection.retransmission.total == .milliseconds(3500))
        #expect(connection.lifetime.value == .seconds(5400))
        #expect(connection.keepalive.value == .seconds(15))
    }

    @Test func everyKeyOfATunnelIsRead() throws {
        let text = Sample.tunnel(
            """
            start: at-boot
            esp-proposals: aes128gcm16-x25519-noesn
            lifetime: 30m
            lifetime-bytes: 10GiB
            lifetime-packets: 1_000_000
            df: clear
            dscp: 46
            mss-clamp: 1300
            mtu: 1400
            replay-window: 64
            """
        )
        let tunnel = try #require(read(text).configuration?.connections.first?.tunnels.first)
        #expect(tunnel.start.value == .atBoot)
        #expect(tunnel.espProposals.map(\.value.description) == ["aes128gcm16-x25519-noesn"])
        #expect(tunnel.lifetime.value == .seconds(1800))
        #expect(tunnel.lifetimeBytes.value == 10 << 30)
        #expect(tunnel.lifetimePackets.value == 1_000_000)
        #expect(tunnel.dontFragment.value == .clear)
        #expect(tunnel.dscp.value == .fixed(46))
        #expect(tunnel.mssClamp.value == .fixed(1300))
        #expect(tunnel.mtu.value == 1400)
        #expect(tunnel.replayWindow.value == 64)
    }

    @Test func everyKeyOfTheGatewayIsRead() throws {
        let text = Sample.top(
            """
            gateway:
              interface: tunnel7
              control-socket: /run/x.sock
              default-policy: discard
              log-level: debug
              packet-cipher: openssl
              workers: 2
              worker-cpus: [3, 1]
              cipher-threads: 3
              listen: {addresses: ["2001:db8::1", 192.0.2.1], ike-port: 1500, nat-port: 5500}
              cookie-threshold: 4
              half-open-limit: 8
              crash-detection: false
              trace-keys: true
              defence: {half-open-per-address: 5, half-open-per-network: 6, puzzle-difficulty: off, puzzle-limit: 9}
              held-packets: 0
              replay-window: 2048
              link-mtu: 9000
              path-mtu: ignore
              path-mtu-floor: 1200
              path-mtu-memory: 5m
              path-mtu-probe: 1h
              mtu: 1400
              routing-table: 77
              rule-priority: 500
              firewall-mark: 0x20000
              firewall-mask: 0xff0000
            """
        )
        let result = read(text)
        #expect(
            result.diagnostics.map(\.message)
                == ["cipher-threads have nothing to do: no tunnel is spread"]
        )
        let configuration = try #require(result.configuration)
        var expected = GatewaySettings(location: configuration.settings.location)
        expected.interfaceName = "tunnel7"
        expected.controlSocket = "/run/x.sock"
        expected.defaultPolicy = .discard
        expected.logLevel = .debug
        expected.packetCipher = .openSSL
        (expected.workers, expected.workerProcessors) = (2, [3, 1])
        expected.cipherThreads = 3
        expected.listenAddresses = ["2001:db8::1", "192.0.2.1"].compactMap { IPAddress($0) }
        (expected.ikePort, expected.natPort) = (1500, 5500)
        (expected.cookieThreshold, expected.halfOpenLimit, expected.heldPackets) = (4, 8, 0)
        expected.crashDetection = false
        expected.traceKeys = true
        expected.defence.halfOpenPerAddress = 5
        expected.defence.halfOpenPerNetwork = 6
        expected.defence.puzzleDifficulty = nil
        expected.defence.puzzleLimit = 9
        (expected.replayWindow, expected.linkMTU, expected.mtu) = (2048, 9000, 1400)
        (expected.pathMTU, expected.pathMTUFloor) = (.ignore, 1200)
        (expected.pathMTUMemory, expected.pathMTUProbe) = (.seconds(300), .seconds(3600))
        (expected.routingTable, expected.rulePriority) = (77, 500)
        (expected.firewallMark, expected.firewallMask) = (0x20000, 0xFF0000)
        #expect(configuration.settings == expected)
        #expect(configuration.connections[0].tunnels[0].replayWindow.value == 2048)
    }

    /// One, unless the file says how many or where.
    @Test(
        arguments: [
            ("{}", 1, []), ("{workers: auto}", nil, []), ("{workers: 64}", 64, []),
            ("{worker-cpus: 5}", nil, [5]), ("{worker-cpus: [1, 0]}", nil, [1, 0]),
            ("{workers: auto, worker-cpus: [2]}", nil, [2]),
        ] as [(String, Int?, [Int])]
    )
    func workersAreCounted(section: String, workers: Int?, processors: [Int]) throws {
        let result = read(Sample.top("gateway: \(section)"))
        #expect(result.diagnostics == [])
        let settings = try #require(result.configuration).settings
        #expect(settings.workers == workers)
        #expect(settings.workerProcessors == processors)
    }

    @Test func policiesKeepTheirOrderAndTunnelsFollow() throws {
        let text = Sample.top(
            """
                  web: {local: 10.1.0.0/16, remote: "10.3.0.0/16[tcp/443]"}
            policies:
              - bypass: {remote: 10.2.0.1, protocol: tcp, remote-port: 22}
              - protect: branch/web
              - discard:
            """
        )
        let result = read(text)
        let policies = try #require(result.configuration?.policies)
        #expect(
            policies.map(\.action) == [
                .bypass, .protect(TunnelPath(connection: "branch", tunnel: "web")), .discard,
                .protect(TunnelPath(connection: "branch", tunnel: "net")),
            ]
        )
        #expect(policies[0].local.map(\.description) == ["0.0.0.0/0[tcp]"])
        #expect(policies[0].remote.map(\.description) == ["10.2.0.1/32[tcp/22]"])
        #expect(policies[2].pairs.map(\.remote.description) == ["0.0.0.0/0", "::/0"])
        // The discard of everything covers the tunnel that follows it.
        #expect(result.warnings.map(\.location.line) == [7])
        #expect(result.warnings.allSatisfy { $0.message.contains("never reached") })
    }

    @Test func aMarkOfOneBitLeavesNoneForErrors() throws {
        let result = read(Sample.top("gateway: {firewall-mark: 0x1, firewall-mask: 0x1}"))
        _ = try #require(result.configuration)
        #expect(result.warnings.map(\.location.line) == [10])
        #expect(result.warnings.first?.message.contains("no mark for ICMP errors") == true)
        #expect(result.warnings.first?.hint.contains("two bits") == true)
    }

    @Test func aTunnelThatTakesItsOwnLocalNetworkIsWarnedOf() {
        let wide = Sample.tenLines.replacing("10.2.0.0/16", with: "0.0.0.0/0")
        let result = read(wide)
        #expect(result.configuration != nil)
        #expect(
            result.diagnostics.map(\.description) == [
                """
                a.yaml:7:7: warning: tunnel "branch/net" takes the traffic within its own local \
                network 10.1.0.0/16, which its remote 0.0.0.0/0 covers
                    hint: put first into policies: - bypass: {local: "10.1.0.0/16", remote: \
                "10.1.0.0/16"}
                """
            ]
        )
        func warnings(_ policies: String) -> Int {
            read(wide + "\npolicies:\n  " + policies).diagnostics.count
        }
        let bypass = "- bypass: {local: 10.1.0.0/16, remote: 10.1.0.0/16}"
        #expect(warnings(bypass) == 0)
        #expect(warnings("- bypass: {remote: 10.0.0.0/8}") == 0)
        #expect(warnings("- protect: branch/net\n  " + bypass) == 2)
        #expect(warnings("- bypass: {local: 10.1.0.0/24, remote: 10.1.0.0/24}") == 1)
        #expect(warnings("- bypass: {remote: 10.1.0.0/16, protocol: tcp}") == 1)
    }

    @Test func oneHostHasNoTrafficWithin() {
        let host = Sample.tenLines.replacing("10.2.0.0/16", with: "0.0.0.0/0")
            .replacing("10.1.0.0/16", with: "10.1.0.1")
        #expect(read(host).diagnostics.isEmpty)
        let same = Sample.tenLines.replacing("10.2.0.0/16", with: "10.1.0.0/16")
        #expect(read(same).diagnostics.isEmpty)
    }

    @Test func aResponderWaitsByHand() throws {
        let text = Sample.tenLines.replacing("address: 192.0.2.2", with: "address: any")
        let connection = try #require(read(text).configuration?.connections.first)
        #expect(connection.remoteAddresses.value == [])
        #expect(connection.tunnels[0].start.value == .byHand)
    }

    @Test func anAddressAloneIsAnIdentity() throws {
        let text = Sample.tenLines.replacing(
            "{address: 192.0.2.2, id: b.example}",
            with: "192.0.2.2"
        )
        let connection = try #require(read(text).configuration?.connections.first)
        #expect(connection.onlyRemoteAddress == IPAddress("192.0.2.2"))
        #expect(connection.remoteIdentity.value.description == "192.0.2.2")
    }

    @Test(arguments: [
        ("a.example", "a.example"), ("@10.1.2.3", "10.1.2.3"), ("me@a.example", "me@a.example"),
        ("2001:db8::1", "2001:db8::1"), ("keyid:branch", "keyid:branch"),
        ("keyid:0xff00", "keyid:0xff00"), ("fqdn:host", "host"), ("email:m@x", "m@x"),
        ("any", "any"),
    ])
    func identitiesAreToldApart(text: String, description: String) throws {
        let yaml = Sample.tenLines.replacing("b.example", with: "\"\(text)\"")
        let connection = try #require(read(yaml).configuration?.connections.first)
        #expect(connection.remoteIdentity.value.description == description)
    }

    @Test(arguments: [
        "10.1.0.0/16", "10.1.0.5-10.1.0.9[tcp/443]", "10.1.0.0/16[udp/1000-2000]",
        "10.1.0.0/16[gre]", "10.1.0.0/16[99]", "10.1.0.0/16[icmp/8]", "10.1.0.0/16[icmp/3(4)]",
        "10.1.0.0/16[icmp/3(1)-3(4)]", "10.1.0.0/16[icmp/3-11]", "10.1.0.0/16[tcp/opaque]",
    ])
    func selectorsReadAsTheyPrint(text: String) throws {
        let yaml = Sample.tenLines.replacing("10.1.0.0/16", with: "\"\(text)\"")
        let tunnel = try #require(read(yaml).configuration?.connections.first?.tunnels.first)
        #expect(tunnel.local.map(\.value.description) == [text])
    }

    /// RFC 4301 §4.4.1.1; RFC 6275 knows them of IPv6 alone.
    @Test(arguments: ["2001:db8::/32[mobility-header/5]", "2001:db8::/32[mobility-header/5-6]"])
    func typesOfMobilityHeadersReadAsTheyPrint(text: String) throws {
        let yaml = Sample.tenLines.replacing("10.1.0.0/16", with: "\"\(text)\"")
        let both = yaml.replacing("10.2.0.0/16", with: "fd00:2::/48")
        let tunnel = try #require(read(both).configuration?.connections.first?.tunnels.first)
        #expect(tunnel.local.map(\.value.description) == [text])
        let other = both.replacing("2001:db8::/32", with: "10.1.0.0/16")
        #expect(read(other).errors.first?.hint.contains("IPv6") == true)
    }
}
