import Management

/// A status in which every member has a value.
enum SampleStatus {
    static let failure = FailureStatus(
        kind: "no-proposal-chosen",
        summary: "The peer accepts none of our IKE proposals.",
        offered: ["aes256gcm16-prfsha256-x25519"],
        accepted: ["aes128-sha256-modp2048"],
        nearest: "aes256gcm16-prfsha256-x25519 lacks modp2048",
        configurationLine: "a.yaml:6:20",
        remedy: "Add aes128-sha256-modp2048 to ike-proposals.",
        ageSeconds: 12.5
    )

    static let whole = GatewayStatus(
        version: "0.1.0",
        configurationFile: "a.yaml",
        uptimeSeconds: 3725,
        interface: InterfaceStatus(name: "cygnet0", mtu: 1438, packetCipher: "multi-buffer"),
        guardState: .set,
        defaultPolicy: "bypass",
        connections: [
            ConnectionStatus(
                name: "branch",
                state: .established,
                localAddress: "192.0.2.1",
                remoteAddress: "192.0.2.2",
                localIdentity: "a.example",
                remoteIdentity: "b.example",
                ikeSA: ikeSA,
                tunnels: [tunnel],
                lastFailure: failure
            )
        ],
        drops: [DropCount(reason: "replayed", packets: 3)],
        ike: IKECounts(
            halfOpen: 1,
            messagesReceived: 2,
            messagesSent: 3,
            retransmissions: 4,
            answersRepeated: 5,
            cookiesDemanded: 6,
            cookiesReturned: 7,
            puzzlesDemanded: 8,
            puzzlesSolved: 9,
            cookiesShown: 10,
            puzzlesWorkedOut: 11
        ),
        workers: [
            WorkerStatus(
                number: 0,
                processor: 3,
                read: TrafficCount(packets: 1, bytes: 2),
                written: TrafficCount(packets: 3, bytes: 4),
                sent: TrafficCount(packets: 5, bytes: 6),
                received: TrafficCount(packets: 7, bytes: 8),
                handedOver: 9,
                takenOver: 10,
                helped: 12
            )
        ]
    )

    private static let ikeSA = IKESAStatus(
        initiatorSPI: "0123456789abcdef",
        responderSPI: "fedcba9876543210",
        role: .initiator,
        localEndpoint: "192.0.2.1:4500",
        remoteEndpoint: "192.0.2.2:4500",
        remoteIdentity: "b.example",
        algorithms: "aes256gcm16-prfsha256-x25519",
        ageSeconds: 60,
        rekeyInSeconds: 12_900,
        nat: .remote,
        ppk: true,
        fragmentSize: 1280,
        extensions: ["fragmentation", "mobike"],
        window: 8,
        transport: .udp
    )

    private static let tunnel = TunnelStatus(
        name: "net",
        state: .established,
        policyOrder: 1,
        start: "on-traffic",
        localSelectors: ["10.1.0.0/16"],
        remoteSelectors: ["10.2.0.0/16"],
        securityAssociations: [
            ChildSAStatus(
                inboundSPI: "0xc0000001",
                outboundSPI: "0xc0000002",
                algorithms: "aes256gcm16-esn",
                udpEncapsulation: true,
                isOutbound: true,
                localSelectors: ["10.1.0.0/16"],
                remoteSelectors: ["10.2.0.0/16"],
                inbound: TrafficCount(packets: 10, bytes: 1000),
                outbound: TrafficCount(packets: 20, bytes: 1_572_864),
                largestPacket: 1438,
                pathMTU: 1500,
                trafficFlow: TrafficFlowStatus(
                    paddingBytes: 4096,
                    dummiesSent: 7,
                    train: train
                ),
                ageSeconds: 60,
                rekeyInSeconds: 3180
            )
        ]
    )

    private static let train = TrainStatus(
        sent: 900,
        leftOut: 1,
        intervalSeconds: 0.002,
        carried: TrafficCount(packets: 20, bytes: 1000),
        waiting: TrafficCount(packets: 2, bytes: 300),
        refused: 3,
        delaySeconds: 0.25,
        longestDelaySeconds: 0.5,
        unpacked: 10,
        receivedPaddingBytes: 2048,
        missing: 4,
        incomplete: 5
    )
}
