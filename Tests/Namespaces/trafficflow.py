"""What an observer of the wire learns of a tunnel that hides its traffic: lengths, and when."""

import contextlib
import os
import socket
import statistics
import struct
import time

from Tests.Lab.aggregation import NEXT_HEADER, Reader, unsealed
from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.traffic import Flow
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.carriages import transfer, two_gateways

RATE = 4_000_000
TRAIN = (f"ip-tfs: {{rate: {RATE // 1_000_000}Mbit, packet-size: 1000}}",)
TUNNEL = Tunnel(inner=(4, 6))


def register(table):
    table.add("traffic-flow/padding", padding)
    table.add("traffic-flow/padding-refused", padding_refused)
    table.add("traffic-flow/dummies", dummies)
    for encapsulation in ("udp", "esp"):
        table.add(f"traffic-flow/train/{encapsulation}", train,
                  tunnel=TUNNEL.but(encapsulation=encapsulation))
    table.add("traffic-flow/train-read-by-another", train_read)
    table.add("traffic-flow/train-rekeyed", train_rekeyed)
    table.add("traffic-flow/train-through-loss", train_through_loss)
    table.add("traffic-flow/train-refused", train_refused)
    table.add("traffic-flow/train-optional", train_optional)
    table.add("traffic-flow/train, two workers", train, tunnel=TUNNEL, gateway=["workers: 2"])


def lengths(capture, outgoing=True):
    return {frame.ip_length for frame in capture.of("esp", "esp-in-udp", outgoing=outgoing)}


def hiding(gateway):
    """What status says of the newest SA."""
    return gateway.established()[0]["trafficFlow"]


# Padding

def padding(lab):
    """With pad-to, packets of every length have one on the wire, and the peer takes them."""
    lab.left.apply(TUNNEL, RIGHT, tunnel=["pad-to: mtu"])
    lab.right.apply(TUNNEL, LEFT)
    lab.left.initiate()
    with Capture(lab.network.left, "wan") as capture:
        for version in (4, 6):
            for size in (16, 56, 700, 1300):
                expect_ping(lab.network.left, LEFT.inner[version], RIGHT.inner[version], size=size)
    sent, came = lengths(capture), lengths(capture, outgoing=False)
    expect(len(sent) == 1 and max(sent) > 1480, f"lengths on the wire: {sorted(sent)}")
    expect(len(came) > 3, f"the peer, which does not pad, sends {sorted(came)}")
    expect(hiding(lab.left)["paddingBytes"] > 5000, f"status: {hiding(lab.left)}")


def padding_refused(lab):
    """A peer that says ESP_TFC_PADDING_NOT_SUPPORTED gets no padding, and status tells."""
    with two_gateways(lab, TUNNEL, ()) as other:
        other.apply(TUNNEL, LEFT, tunnel=["tfc-padding: refuse"])
        lab.left.apply(TUNNEL, RIGHT, tunnel=["pad-to: mtu"])
        lab.left.initiate()
        with Capture(lab.network.left, "wan") as capture:
            expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], size=16)
        expect(max(lengths(capture)) < 200, f"lengths on the wire: {sorted(lengths(capture))}")
        traits = lab.left.established()[0].get("traits")
        expect(traits == ["padding refused by the peer"], f"traits {traits}")


def dummies(lab):
    """A silent tunnel sends so many packets a second as are wanted, which the peer drops."""
    with two_gateways(lab, TUNNEL, ()) as other:
        other.apply(TUNNEL, LEFT)
        lab.left.apply(TUNNEL, RIGHT, tunnel=["pad-to: mtu", "dummy-packets: 50"])
        lab.left.initiate()
        with Capture(lab.network.left, "wan") as capture:
            time.sleep(1)
            expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
        count = len(capture.of("esp-in-udp", outgoing=True))
        expect(40 <= count <= 70, f"{count} packets in a second")
        expect(len(lengths(capture)) == 1, f"lengths on the wire: {sorted(lengths(capture))}")
        expect(wait_until(lambda: other.drops().get("dummy", 0) >= 40, "dummies at the peer"),
               f"drops of the peer: {other.drops()}")
        expect(hiding(lab.left)["dummiesSent"] >= 40, f"status: {hiding(lab.left)}")


# Trains

def expect_even(capture, outgoing, rate=RATE):
    """Packets of one length at the rate, but for those that a busy machine left out."""
    frames = [frame for frame in capture.of("esp", "esp-in-udp", outgoing=outgoing)
              if capture.begin <= frame.time <= capture.end]
    seconds = capture.end - capture.begin
    sizes = {frame.ip_length for frame in frames}
    expect(len(sizes) == 1, f"lengths on the wire: {sorted(sizes)}")
    octets = sizes.pop()
    expect(960 < octets <= 1000, f"packets of {octets} octets")
    times = [frame.time for frame in frames]
    wanted = seconds * rate / (8 * octets)
    left_out = capture.left_out[0 if outgoing else 1]
    expect(-left_out - 2 - wanted * 0.03 < len(times) - wanted < wanted * 0.03 + 2,
           f"{len(times)} packets in {seconds:.3f} s, {wanted:.0f} wanted, {left_out} left out")
    gaps = [after - before for before, after in zip(times, times[1:])]
    interval = 8 * octets / rate
    expect(abs(statistics.median(gaps) - interval) < interval / 4,
           f"median gap {statistics.median(gaps) * 1000:.3f} ms, interval {interval * 1000:.3f} ms")


@contextlib.contextmanager
def watched(lab, other):
    """A capture from one moment to another by the clock of its timestamps, and what the trains of
    both ends left out meanwhile."""
    def left_out():
        return [hiding(each)["train"]["leftOut"] for each in (lab.left, other)]

    with Capture(lab.network.left, "wan") as capture:
        before = left_out()
        capture.begin = time.time()
        yield capture
        capture.end = time.time()
        capture.left_out = [after - early for after, early in zip(left_out(), before)]


def train(lab, tunnel, gateway=()):
    """The wire shows the same whether nothing, a little or more than it carries is to go."""
    with two_gateways(lab, tunnel, ()) as other:
        for each, peer in ((other, LEFT), (lab.left, RIGHT)):
            each.apply(tunnel, peer, tunnel=TRAIN, gateway=list(gateway))
        lab.left.initiate()
        time.sleep(0.3)
        with watched(lab, other) as idle:
            time.sleep(1.5)
        # The peer's train may have begun before this end knew of the SA.
        before = [hiding(each)["train"]["missing"] for each in (lab.left, other)]
        expect(max(before) < 50, f"missing from the beginning: {before}")
        with watched(lab, other) as loaded:
            for version in (4, 6):
                expect_ping(lab.network.left, LEFT.inner[version], RIGHT.inner[version], count=3)
                # Longer than a packet of the train.
                expect_ping(lab.network.left, LEFT.inner[version], RIGHT.inner[version],
                            size=1300)
            transfer(lab, LEFT.inner[4], RIGHT.inner[4], octets=1 << 18)
        for capture in (idle, loaded):
            for outgoing in (True, False):
                expect_even(capture, outgoing)
            expect(not capture.unprotected(), f"in clear: {capture.unprotected()[:5]}")
        expect(lengths(idle) == lengths(loaded), "idle and loaded differ")
        for each, missing in zip((lab.left, other), before):
            traffic = hiding(each)["train"]
            expect(traffic["carried"]["packets"] > 200 and traffic["unpacked"] > 200
                   and traffic["missing"] == missing, f"status: {traffic}")
            expect("IP-TFS" in each.established()[0]["traits"], "status does not say IP-TFS")


def train_read(lab):
    """What leaves is read, octet by octet, by what knows the RFC's text alone."""
    tunnel = TUNNEL.but(esp="null-sha256")
    with two_gateways(lab, tunnel, ()) as other:
        for each, peer in ((other, LEFT), (lab.left, RIGHT)):
            each.apply(tunnel, peer, tunnel=TRAIN)
        lab.left.initiate()
        sent = []
        with Capture(lab.network.left, "wan") as capture, \
                contextlib.closing(lab.network.left.udp(LEFT.inner[4], 7001)) as four, \
                contextlib.closing(lab.network.left.udp(LEFT.inner[6], 7001)) as six:
            time.sleep(0.2)
            for number in range(300):
                sender, version = ((four, 4), (six, 6))[number % 2]
                data = struct.pack("!I", number) + os.urandom((0, 20, 300, 1200)[number // 3 % 4])
                sender.sendto(data, (RIGHT.inner[version], 7002))
                sent.append(data)
                if number % 20 == 19:
                    time.sleep(0.03)
            time.sleep(0.6)
        reader, expected = Reader(), None
        for frame in capture.of("esp-in-udp", outgoing=True):
            _, sequence, following, payload = unsealed(frame.payload)
            expect(following == NEXT_HEADER, f"next header {following}")
            if expected is None:
                # The capture begins in the middle: with a payload that no packet reaches into.
                if payload[2:4] != bytes(2):
                    continue
                expected = sequence
            expect(sequence == expected, f"number {sequence} where {expected} was due")
            expected += 1
            reader.take(payload)
    found = [packet[28 if packet[0] >> 4 == 4 else 48:] for packet in reader.packets
             if packet[9 if packet[0] >> 4 == 4 else 6] == socket.IPPROTO_UDP
             and b"\x1b\x59\x1b\x5a" in packet[:48]]
    expect(found == sent, f"{len(found)} of {len(sent)} packets, or others than were sent")
    expect(reader.fragmented > 20 and reader.shared > 5 and reader.all_pad > 20,
           f"{reader.fragmented} fragmented, {reader.shared} shared, {reader.all_pad} all padding")


def train_rekeyed(lab):
    """A rekey loses nothing and does not show, but for the SPI."""
    tunnel = TUNNEL.but(child_rekey_seconds=5, right_child_rekey_seconds=60)
    with two_gateways(lab, tunnel, ()) as other:
        for each, peer in ((other, LEFT), (lab.left, RIGHT)):
            each.apply(tunnel, peer, tunnel=TRAIN)
        lab.left.initiate()
        first = lab.left.established()[0]["outboundSPI"]
        flow = Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4],
                    rate=200).start()
        with watched(lab, other) as capture:
            wait_until(lambda: lab.left.established()[0]["outboundSPI"] != first, "a rekey", 10)
            time.sleep(1)
        flow.stop(tail=1)
        expect(flow.missing == 0 and flow.duplicates == 0,
               f"{flow.missing} of {flow.sent} lost, {flow.duplicates} twice")
        expect_even(capture, True)
        expect_even(capture, False)


def train_through_loss(lab):
    """What the path loses costs the packets that were in it, and no others change."""
    lab.network.router.run("nft", "add table ip loss; "
                           "add chain ip loss way { type filter hook forward priority 0; }; "
                           "add rule ip loss way udp dport 4500 numgen random mod 100 < 3 drop")
    try:
        with two_gateways(lab, TUNNEL, ()) as other:
            for each, peer in ((other, LEFT), (lab.left, RIGHT)):
                each.apply(TUNNEL, peer, tunnel=TRAIN)
            lab.left.initiate(seconds=30)
            flow = Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4],
                        rate=300).start()
            time.sleep(3)
            flow.stop(tail=1)
            expect(0.85 < flow.received / flow.sent < 1 and flow.duplicates == 0,
                   f"{flow.received} of {flow.sent} came, {flow.duplicates} twice")
            counts = hiding(other)["train"]
            expect(counts["missing"] > 10, f"status: {counts}")
            drops = other.drops()
            expect(drops.get("malformedTrain", 0) == 0 and drops.get("malformedInner", 0) == 0,
                   f"drops: {drops}")
    finally:
        lab.network.router.run("nft", "delete table ip loss")


def train_refused(lab):
    """A peer without IP-TFS gets no tunnel, and both directions say why."""
    lab.left.apply(TUNNEL, RIGHT, tunnel=TRAIN)
    lab.right.apply(TUNNEL, LEFT)
    status, text = lab.left.try_initiate()
    expect(status != 0 and "declines IP-TFS" in text, f"it says: {status} {text}")
    expect("optional: true" in text and lab.left.file in text, f"no remedy: {text}")
    expect(lab.left.failure()["kind"] == "ip-tfs", f"failure: {lab.left.failure()}")
    expect(not lab.left.established(), "there is a tunnel all the same")
    lab.right.try_initiate()
    wait_until(lambda: "does not ask for IP-TFS" in lab.left.failure().get("summary", ""),
               "the refusal of what the peer begins")
    expect(not lab.left.established(), "the peer has a tunnel")


def train_optional(lab):
    """With `optional` the tunnel comes up without."""
    lab.left.apply(TUNNEL, RIGHT, tunnel=[TRAIN[0].replace("}", ", optional: true}")])
    lab.right.apply(TUNNEL, LEFT)
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
    child = lab.left.established()[0]
    expect("IP-TFS" not in child.get("traits", []) and "trafficFlow" not in child,
           f"status: {child}")
