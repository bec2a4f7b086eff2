import Inspection
import Management
import Testing

@Suite("Status for people")
struct StatusTextTests {
    private let failure = FailureStatus(
        kind: "wrong-secret",
        summary: "The peer does not have our secret.",
        configurationLine: "a.yaml:5:18",
        remedy: "Compare the secret files.",
        ageSeconds: 65
    )

    private func status(_ connection: ConnectionStatus) -> GatewayStatus {
        GatewayStatus(
            version: "0.1.0",
            configurationFile: "a.yaml",
            uptimeSeconds: 90_061,
            interface: InterfaceStatus(name: "cygnet0", mtu: 1438, packetCipher: "openssl"),
            guardState: .set,
            defaultPolicy: "bypass",
            connections: [connection],
            drops: [
                DropCount(reason: "replayed", packets: 1200),
                DropCount(reason: "no-policy", packets: 7),
            ]
        )
    }

    @Test func whatIKEHasSeen() {
        var gateway = status(
            ConnectionStatus(
                name: "branch",
                state: .established,
                localAddress: nil,
                remoteAddress: "192.0.2.2",
                localIdentity: "a.example",
                remoteIdentity: "b.example",
                ikeSA: IKESAStatus(
                    initiatorSPI: "0123456789abcdef",
                    responderSPI: "fedcba9876543210",
                    role: .responder,
                    localEndpoint: "192.0.2.1:4500",
                    remoteEndpoint: "192.0.2.2:4500",
                    remoteIdentity: "b.example",
                    algorithms: "aes256gcm16-prfsha256-x25519-ke1_mlkem768",
                    ageSeconds: 61,
                    rekeyInSeconds: nil,
                    nat: .none,
                    ppk: true,
                    fragmentSize: 1280,
                    extensions: ["fragmentation", "intermediate", "mobike"],
                    window: 8,
                    transport: .udp
                )
            )
        )
        gateway.ike = IKECounts(halfOpen: 2, messagesReceived: 10, messagesSent: 9)
        let calm = StatusText(gateway).text
        #expect(
            calm.contains(
                "        with keys with a PPK, fragments above 1280 bytes, window 8, intermediate, "
                    + "mobike\n"
            )
        )
        #expect(calm.contains("\nIKE: 10 messages received, 9 sent, 2 half-open SAs\n"))
        #expect(!calm.contains("demanded"))
        gateway.ike?.retransmissions = 3
        gateway.ike?.cookiesDemanded = 40
        gateway.ike?.cookiesReturned = 4
        gateway.ike?.puzzlesDemanded = 2
        gateway.ike?.puzzlesSolved = 1
        gateway.ike?.cookiesShown = 5
        let busy = StatusText(gateway).text
        #expect(busy.contains("IKE: 10 messages received, 9 sent, 3 of them again, 2 half-open"))
        #expect(
            busy.contains("  demanded 40 cookies (4 came back) and 2 puzzles (1 solved)\n")
        )
        #expect(busy.contains("  peers demanded 5 cookies, and 0 puzzles were solved for them\n"))
    }

    @Test func anSAThatIsNotOrdinary() {
        var child = ChildSAStatus(
            inboundSPI: "0xc0000001",
            outboundSPI: "0xc0000002",
            algorithms: "sha256-esn",
            udpEncapsulation: false,
            traits: ["AH", "transport mode"],
            isOutbound: true,
            localSelectors: ["10.1.0.0/16"],
            remoteSelectors: ["10.2.1.0/24"],
            inbound: TrafficCount(),
            outbound: TrafficCount(),
            ageSeconds: 61,
            rekeyInSeconds: nil
        )
        func lines() -> [String] {
            let tunnel = TunnelStatus(
                name: "net",
                state: .established,
                policyOrder: 1,
                start: "on-traffic",
                localSelectors: ["10.1.0.0/16"],
                remoteSelectors: ["10.2.0.0/16"],
                securityAssociations: [child]
            )
            let connection = ConnectionStatus(
                name: "branch",
                state: .established,
                localAddress: nil,
                remoteAddress: "192.0.2.2",
                localIdentity: "a.example",
                remoteIdentity: "b.example",
                tunnels: [tunnel]
            )
            return StatusText(status(connection)).text.split(separator: "\n").map(String.init)
        }
        #expect(lines().contains("    AH sha256-esn, transport mode, 1m 1s old"))
        #expect(lines().contains("      carries 10.1.0.0/16 <-> 10.2.1.0/24"))
        child.remoteSelectors = ["10.2.0.0/16"]
        #expect(!lines().contains { $0.contains("carries") || $0.contains("dropped") })
        child.drops = [
            DropCount(reason: "replayed", packets: 3),
            DropCount(reason: "selectorMismatch", packets: 1),
        ]
        #expect(lines().contains("      dropped 3 replayed, 1 selectorMismatch"))
        #expect(!lines().contains { $0.contains("on the way") })
        (child.largestPacket, child.pathMTU) = (1338, 1400)
        #expect(lines().contains("      packets of up to 1338 bytes, 1400 on the way"))
    }

    @Test func anEstablishedConnection() {
        let child = ChildSAStatus(
            inboundSPI: "0xc0000001",
            outboundSPI: "0xc0000002",
            algorithms: "aes256gcm16-esn",
            udpEncapsulation: true,
            isOutbound: true,
            localSelectors: ["10.1.0.0/16"],
            remoteSelectors: ["10.2.0.0/16"],
            inbound: TrafficCount(packets: 10, bytes: 1000),
            outbound: TrafficCount(packets: 20, bytes: 1_580_000),
            ageSeconds: 61,
            rekeyInSeconds: 3180
        )
        let connection = ConnectionStatus(
            name: "branch",
            state: .established,
            localAddress: "192.0.2.1",
            remoteAddress: "192.0.2.2",
            localIdentity: "a.example",
            remoteIdentity: "b.example",
            ikeSA: IKESAStatus(
                initiatorSPI: "0123456789abcdef",
                responderSPI: "fedcba9876543210",
                role: .initiator,
                localEndpoint: "192.0.2.1:4500",
                remoteEndpoint: "192.0.2.2:4500",
                remoteIdentity: "b.example",
                algorithms: "aes256gcm16-prfsha256-x25519",
                ageSeconds: 61,
                rekeyInSeconds: 12_900,
                nat: .remote,
                transport: .udp
            ),
            tunnels: [
                TunnelStatus(
                    name: "net",
                    state: .established,
                    policyOrder: 1,
                    start: "on-traffic",
                    localSelectors: ["10.1.0.0/16"],
                    remoteSelectors: ["10.2.0.0/16"],
                    securityAssociations: [child]
                )
            ]
        )
        #expect(
            StatusText(status(connection)).text == """
                Cygnet 0.1.0, up 1d 1h, cygnet0 with MTU 1438, packets by openssl
                configuration a.yaml, guard set

                branch: established
                  here  a.example, 192.0.2.1:4500, the initiator
                  there b.example, 192.0.2.2:4500, that end behind NAT
                  IKE   aes256gcm16-prfsha256-x25519, 1m 1s old, rekey in 3h 35m
                        SPIs 0123456789abcdef fedcba9876543210
                  net: established
                    10.1.0.0/16 <-> 10.2.0.0/16
                    ESP aes256gcm16-esn in UDP, 1m 1s old, rekey in 53m 0s
                      in  0xc0000001 10 packets, 1000 bytes
                      out 0xc0000002 20 packets, 1.51 MiB

                Dropped
                  1200 replayed
                     7 no-policy

                """
        )
    }

    @Test func aFailureAndItsRemedy() {
        let connection = ConnectionStatus(
            name: "branch",
            state: .down,
            localAddress: nil,
            remoteAddress: "192.0.2.2",
            localIdentity: "a.example",
            remoteIdentity: "b.example",
            tunnels: [
                TunnelStatus(
                    name: "net",
                    state: .waitingForTraffic,
                    policyOrder: 1,
                    start: "on-traffic",
                    localSelectors: ["10.1.0.0/16"],
                    remoteSelectors: ["10.2.0.0/16"]
                )
            ],
            lastFailure: failure
        )
        let text = StatusText(status(connection)).text
        #expect(
            text.contains(
                """
                branch: down
                  here  a.example
                  there b.example at 192.0.2.2
                  net: waiting for traffic
                    10.1.0.0/16 <-> 10.2.0.0/16
                  last failure, 1m 5s ago:
                    The peer does not have our secret.
                    see:      a.yaml:5:18
                    remedy:   Compare the secret files.

                """
            )
        )
    }
}
