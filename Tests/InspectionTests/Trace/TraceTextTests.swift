import Inspection
import Management
import Testing

/// Entries as a gateway tells them.
enum SampleTrace {
    static let path = TraceEntry.Path(
        local: "192.0.2.1",
        remote: "198.51.100.1",
        localPort: 4500,
        remotePort: 4500,
        carrier: "udp"
    )

    static func entry(
        _ outcome: TraceEntry.Outcome,
        _ direction: TraceRequest.Direction = .outbound
    )
        -> TraceEntry
    {
        TraceEntry(
            time: 86_400 * 20_000 + 43_384.000_25,
            direction: direction,
            device: "cygnet0",
            packet: TraceEntry.Packet(
                source: "10.1.0.5",
                destination: "10.2.0.9",
                protocol: "tcp",
                sourcePort: 40_000,
                destinationPort: 443,
                octets: 1400
            ),
            policy: TraceEntry.Policy(
                action: "protect",
                tunnel: "branch/net",
                order: 1,
                place: "a.yaml:12"
            ),
            protection: TraceEntry.Protection(
                protocol: "esp",
                mode: "tunnel",
                spi: "0xc0ffee42",
                sequence: 17,
                datagrams: 1,
                octets: 1436,
                limit: 1438
            ),
            path: path,
            outcome: outcome
        )
    }
}

@Suite("A traced packet for people")
struct TraceTextTests {
    @Test func aPacketThatLeft() {
        #expect(
            TraceText(SampleTrace.entry(.sealed)).line
                == "12:03:04.000250 out cygnet0 | tcp 10.1.0.5[40000] > 10.2.0.9[443], 1400 bytes "
                + "| branch/net (a.yaml:12) | esp 0xc0ffee42 number 17 | sealed, "
                + "192.0.2.1:4500 > 198.51.100.1:4500 in UDP, 1436 bytes"
        )
    }

    @Test func aPacketThatCame() {
        let line = TraceText(SampleTrace.entry(.opened, .inbound)).line
        #expect(line.contains(" in cygnet0 | "))
        #expect(line.hasSuffix("opened, 198.51.100.1:4500 > 192.0.2.1:4500 in UDP, 1436 bytes"))
    }

    @Test func aPacketThatWaited() {
        var entry = SampleTrace.entry(.sealed)
        entry.heldSeconds = 0.12
        #expect(TraceText(entry).line.contains("| sealed after waiting 120 ms, "))
        entry = SampleTrace.entry(.held)
        (entry.protection, entry.path) = (nil, nil)
        #expect(TraceText(entry).line.hasSuffix("| held: waits for an SA"))
    }

    @Test func aDropHasItsCauseAndRemedy() {
        var entry = SampleTrace.entry(.dropped)
        entry.reason = "tooBig"
        let line = TraceText(entry).line
        #expect(line.contains("| DROPPED: tooBig: the packet is larger than the tunnel carries"))
        #expect(line.contains("(1438 bytes at most); remedy: "))
        var stray = TraceEntry(
            time: 0,
            direction: .inbound,
            path: SampleTrace.path,
            outcome: .dropped
        )
        stray.reason = "keepalive"
        #expect(
            TraceText(stray).line.hasPrefix(
                "00:00:00.000000 in | a packet that cannot be read | DROPPED: keepalive: "
            )
        )
        #expect(TraceText(stray).line.hasSuffix("198.51.100.1:4500 > 192.0.2.1:4500 in UDP"))
    }

    @Test func otherKinds() {
        var entry = TraceEntry(
            time: 0,
            direction: .inbound,
            path: SampleTrace.path,
            outcome: .control
        )
        #expect(TraceText(entry).line.contains("| IKE | handed to IKE, "))
        entry = SampleTrace.entry(.gathered)
        entry.packet = TraceEntry.Packet(
            source: "fd00::1",
            destination: "fd00::2",
            protocol: "icmpv6",
            icmpType: 128,
            icmpCode: 0,
            isFragment: true,
            dscp: 46,
            octets: 104
        )
        entry.policy = TraceEntry.Policy(action: "bypass", tunnel: nil, order: nil, place: nil)
        #expect(
            TraceText(entry).line.contains(
                "| icmpv6 type 128 code 0 fd00::1 > fd00::2, fragment, DSCP 46, 104 bytes "
                    + "| default-policy: bypass |"
            )
        )
    }

    /// A gateway of another version, or none at all, may say anything.
    @Test(arguments: [Double.nan, .infinity, -1, 1e300])
    func numbersThatMakeNoSense(time: Double) {
        var entry = SampleTrace.entry(.sealed)
        entry.time = time
        entry.heldSeconds = time
        #expect(TraceText(entry).line.hasPrefix("? out"))
    }
}
