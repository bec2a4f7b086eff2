"""Truncated, oversized, duplicated, reordered and forged datagrams: counted, dropped, survived."""

import os
import random
import struct
import time

from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping
from Tests.Lab.frames import Wire, protocol_packet, udp_packet
from Tests.Lab.ike import header, request
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.traffic import Flow
from Tests.Lab.tunnel import Tunnel

SEED = 4303


def register(table):
    table.add("bad/garbage-at-the-ports", garbage)
    table.add("bad/replayed-esp", replayed)
    table.add("bad/corrupted-esp", corrupted)
    table.add("bad/forged-ike", forged_ike)
    table.add("bad/flood-of-beginnings", flood)
    table.add("bad/raw-esp", raw_esp)
    table.add("bad/between-good-traffic", between_good)


def connected(lab):
    lab.right.apply(Tunnel(), LEFT)
    lab.left.apply(Tunnel(), RIGHT)
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
    return {child["inboundSPI"] for child in lab.left.established()}


def expect_undisturbed(lab, before, drops=True):
    expect(lab.left.process.is_running(), "the daemon ended")
    expect({child["inboundSPI"] for child in lab.left.established()} == before,
           "the SA was taken down or replaced")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
    expect_ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4])
    if drops:
        expect(lab.left.drops(), "nothing was counted as dropped")


def memory_of(lab):
    with open(f"/proc/{lab.left.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4


def garbage(lab):
    """Random bytes of random length at every door, from the peer's address and from a stranger's."""
    before = connected(lab)
    chance = random.Random(SEED)
    with Wire(lab.network) as wire:
        for _ in range(3000):
            source = chance.choice([RIGHT.outer[4], "198.51.100.77"])
            port = chance.choice([500, 4500])
            payload = chance.randbytes(chance.choice([0, 1, 3, 4, 8, 27, 28, 29, 60, 400, 1400]))
            if port == 4500 and chance.random() < 0.5:
                payload = bytes(4) + payload
            wire.send(udp_packet(source, LEFT.outer[4], port, port, payload))
    expect_undisturbed(lab, before)


def captured_esp(lab):
    """What true ESP packets that came to the left carry in UDP."""
    with Capture(lab.network.left, "wan") as capture:
        expect_ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4], count=5)
    return [frame.payload for frame in capture.of("esp-in-udp", outgoing=False)]


def esp_datagram(payload):
    """A datagram of the peer's. Its own, captured on a veth, have no checksum yet, and sent again as
    they are the kernel drops them before anybody looks at them."""
    return udp_packet(RIGHT.outer[4], LEFT.outer[4], 4500, 4500, payload)


def replayed(lab):
    """What was delivered once is not delivered again: each is counted where numbers are checked."""
    before = connected(lab)
    packets = captured_esp(lab)
    expect(len(packets) >= 5, f"only {len(packets)} packets were captured")
    delivered = lab.left.established()[0]["inbound"]["packets"]
    seen = lab.left.drops().get("replayed", 0)
    with Wire(lab.network) as wire:
        for packet in packets * 20:
            wire.send(esp_datagram(packet))
    wanted = seen + len(packets) * 20
    wait_until(lambda: lab.left.drops().get("replayed", 0) >= wanted, "every one is counted", 2)
    counted = lab.left.drops()["replayed"]
    expect(counted == wanted, f"{counted - seen} of {wanted - seen} were counted as replayed")
    after = lab.left.established()[0]["inbound"]["packets"]
    expect(after == delivered, f"{after - delivered} replayed packets were delivered")
    expect_undisturbed(lab, before)


def corrupted(lab):
    """One bit changed anywhere in an ESP packet, and every truncation of it."""
    before = connected(lab)
    payload = captured_esp(lab)[0]
    with Wire(lab.network) as wire:
        for bit in range(0, len(payload) * 8, 3):
            changed = bytearray(payload)
            changed[bit // 8] ^= 1 << bit % 8
            wire.send(esp_datagram(bytes(changed)))
        for length in range(len(payload)):
            wire.send(esp_datagram(payload[:length]))
    expect_undisturbed(lab, before)


def forged_ike(lab):
    """Messages with the right SPIs and no proof: deletes, errors, and old message numbers."""
    before = connected(lab)
    ike = lab.left.connection()["ikeSA"]
    initiator, responder = (bytes.fromhex(ike[f"{side}SPI"].removeprefix("0x"))
                            for side in ("initiator", "responder"))
    chance = random.Random(SEED)
    with Wire(lab.network) as wire:
        for number in range(400):
            exchange = chance.choice([34, 35, 36, 37])
            flags = chance.choice([0x00, 0x08, 0x20, 0x28])
            first = chance.choice([0, 41, 42, 46])
            body = b""
            if first in (41, 42):  # a notify INVALID_SPI, or a delete of the IKE SA
                body = struct.pack("!BBH", 0, 0, 8) + (
                    struct.pack("!BBH", 0, 0, 11) if first == 41 else struct.pack("!BBH", 1, 0, 0))
            elif first == 46:
                body = struct.pack("!BBH", 42, 0, 84) + chance.randbytes(80)
            message = header(initiator, responder, first, exchange, flags, number % 5, len(body))
            wire.send(udp_packet(RIGHT.outer[4], LEFT.outer[4], 4500, 4500,
                                 bytes(4) + message + body))
    time.sleep(0.3)
    expect_undisturbed(lab, before)


def flood(lab):
    """Thousands of beginnings from the peer's address: memory stays bounded, the SA stays."""
    before = connected(lab)
    used = memory_of(lab)
    begun = time.monotonic()
    with Wire(lab.network) as wire:
        for number in range(4000):
            wire.send(udp_packet(RIGHT.outer[4], LEFT.outer[4], 1024 + number, 500, request()))
    expect_undisturbed(lab, before, drops=False)
    expect(time.monotonic() - begun < 8, "the gateway stalled")
    expect(memory_of(lab) - used < 40_000, f"memory grew by {memory_of(lab) - used} KiB")


def raw_esp(lab):
    """ESP as its own protocol where the SA is encapsulated, and with an SPI that nobody has."""
    before = connected(lab)
    spi = int(next(iter(before)), 16)
    with Wire(lab.network) as wire:
        for number in range(200):
            wanted = spi if number % 2 else number
            body = struct.pack("!II", wanted, number) + os.urandom(number)
            wire.send(protocol_packet(RIGHT.outer[4], LEFT.outer[4], 50, body))
    expect_undisturbed(lab, before, drops=False)


def between_good(lab):
    """Traffic in one direction stays whole while all of the above comes in between."""
    before = connected(lab)
    flow = Flow(lab.network.right, RIGHT.inner[4], lab.network.left, LEFT.inner[4]).start()
    chance = random.Random(SEED)
    with Wire(lab.network) as wire:
        for _ in range(1500):
            body = struct.pack("!II", int(next(iter(before)), 16), chance.randrange(1 << 32))
            wire.send(udp_packet(RIGHT.outer[4], LEFT.outer[4], 4500, 4500,
                                 body + chance.randbytes(chance.randrange(8, 200))))
            time.sleep(0.0003)
    flow.stop()
    expect(flow.missing == 0 and flow.duplicates == 0,
           f"{flow.missing} of {flow.sent} lost, {flow.duplicates} twice")
    expect_undisturbed(lab, before)
