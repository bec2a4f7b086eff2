"""Limits on what leaves: priority, shares and rates, with real packets and real time."""

import socket
import struct
import threading
import time

from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.carriages import transfer
from Tests.Namespaces.workers import two_gateways

EXPEDITED, LOW = 46, 8
MEGABIT = 1_000_000
RATE = 20 * MEGABIT
CLASSES = ("traffic:",
           f"  rate: {RATE // MEGABIT}Mbit",
           "  classes:",
           "    voice: {match: {dscp: ef}, priority: 1, queue: 50ms}",
           "    bulk: {match: {dscp: cs1}}",
           "    other: {weight: 3}")


def register(table):
    tunnel = Tunnel(start="boot")
    table.add("shaping/priority", priority, tunnel=tunnel)
    table.add("shaping/shares", shares, tunnel=tunnel)
    table.add("shaping/streams", streams, tunnel=tunnel)
    table.add("shaping/reload", reload, tunnel=tunnel)


class Flood:
    """Datagrams of one DSCP at a rate in bits a second; what arrives is counted."""

    def __init__(self, lab, dscp, rate, port, octets=1300, mark=0):
        self.sender = lab.network.left.udp(LEFT.inner[4])
        self.sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
        self.sender.setsockopt(socket.SOL_SOCKET, 36, mark)  # SO_MARK
        self.receiver = lab.network.right.udp(RIGHT.inner[4], port)
        self.receiver.settimeout(0.2)
        self.receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)  # SO_RCVBUFFORCE
        self.target, self.octets = (RIGHT.inner[4], port), octets
        self.interval = octets * 8 / rate
        self.received = 0
        self.running = True
        self.threads = [threading.Thread(target=each) for each in (self._send, self._receive)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def _send(self):
        payload = bytes(self.octets)
        due = time.monotonic()
        while self.running:
            self.sender.sendto(payload, self.target)
            due += self.interval
            pause = due - time.monotonic()
            if pause > 0.002:
                time.sleep(pause)

    def _receive(self):
        while self.running:
            try:
                self.received += len(self.receiver.recv(2048))
            except TimeoutError:
                continue

    def __exit__(self, *_):
        self.running = False
        for thread in self.threads:
            thread.join()
        self.sender.close()
        self.receiver.close()


def calls(lab, count, interval=0.02, port=7200, dscp=EXPEDITED, mark=0):
    """Round trips in seconds of datagrams as of a call; what is lost is missing."""
    server = lab.network.right.udp(RIGHT.inner[4], port)
    client = lab.network.left.udp(LEFT.inner[4])
    client.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
    client.setsockopt(socket.SOL_SOCKET, 36, mark)  # SO_MARK
    server.settimeout(0.2)
    client.settimeout(1)
    running = True

    def answer():
        while running:
            try:
                data, address = server.recvfrom(2048)
            except TimeoutError:
                continue
            server.sendto(data, address)

    thread = threading.Thread(target=answer)
    thread.start()
    trips = []
    try:
        for number in range(count):
            begin = time.monotonic()
            client.sendto(struct.pack("!I", number) + bytes(160), (RIGHT.inner[4], port))
            try:
                while struct.unpack("!I", client.recv(2048)[:4])[0] != number:
                    pass
                trips.append(time.monotonic() - begin)
            except TimeoutError:
                pass
            time.sleep(interval)
    finally:
        running = False
        thread.join()
        client.close()
        server.close()
    return sorted(trips)


def classes_of(gateway):
    return {each["name"]: each for each in gateway.status()["traffic"][0]["classes"]}


def priority(lab, tunnel):
    """A call keeps its delay while another class sends twice what the tunnel may."""
    with two_gateways(lab, tunnel, lines=CLASSES, workers=1):
        wait_until(lambda: lab.left.established(), "the tunnel")
        with Flood(lab, LOW, 2 * RATE, 7201):
            time.sleep(0.5)
            trips = calls(lab, 100)
        expect(len(trips) == 100, f"{100 - len(trips)} datagrams of the call were lost")
        classes = classes_of(lab.left)
        voice, bulk = classes["voice"], classes["bulk"]
        lost = {drop["reason"]: drop["packets"] for drop in bulk.get("drops", [])}
        expect(sum(lost.values()) > 0, f"the flood lost nothing: {bulk}")
        expect("drops" not in voice, f"the call lost something: {voice}")
        # Beside the flood's queue, which is as long as it may be; the machine has other work too.
        expect(trips[50] < 0.02, f"the call's round trips: {trips[50]:.4f} s and {trips[-2]:.4f} s")
        expect(bulk["longestDelaySeconds"] > 0.03, f"the flood did not wait: {bulk}")
        expect(voice["delaySeconds"] < 0.01, f"the call waited: {voice}")


def shares(lab, tunnel):
    """Classes of one priority share by weight what there is, and that is the rate."""
    with two_gateways(lab, tunnel, lines=CLASSES, workers=1):
        wait_until(lambda: lab.left.established(), "the tunnel")
        with Flood(lab, LOW, 2 * RATE, 7202), Flood(lab, 0, 2 * RATE, 7203):
            time.sleep(1)
            # What asking takes counts as well: the rate is not told higher than it was.
            begin, before = time.monotonic(), classes_of(lab.left)
            time.sleep(3)
            after, end = classes_of(lab.left), time.monotonic()
        rates = {name: (after[name]["sent"]["bytes"] - before[name]["sent"]["bytes"]) * 8
                 / (end - begin) for name in after}
        # Never more than the rate, and not much less however busy the machine is.
        expect(0.6 < sum(rates.values()) / RATE < 1.02, f"rates: {rates}")
        expect(abs(rates["other"] / rates["bulk"] - 3) < 0.3, f"rates: {rates}")


def streams(lab, tunnel):
    """TCP through a limit: what is cut to fit arrives whole, and as fast as the limit lets it."""
    with two_gateways(lab, tunnel, lines=CLASSES, workers=1):
        wait_until(lambda: lab.left.established(), "the tunnel")
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
        begin = time.monotonic()
        octets = 4 << 20
        # There, and back.
        transfer(lab, LEFT.inner[4], RIGHT.inner[4], octets=octets)
        rate = 2 * octets * 8 / (time.monotonic() - begin)
        expect(0.3 * RATE < rate < RATE, f"TCP got {rate / MEGABIT:.1f} Mbit/s")
        expect(classes_of(lab.left)["other"]["sent"]["packets"] > octets // 1400, "cut too few")


def reload(lab, tunnel):
    """A rate changes, and goes, without a restart, and what flows goes on."""
    with two_gateways(lab, tunnel, lines=CLASSES, workers=1):
        wait_until(lambda: lab.left.established(), "the tunnel")
        spi = lab.left.established()[0]["inboundSPI"]
        with Flood(lab, LOW, RATE, 7204) as flood:
            # 20 Mbit/s of payload, in packets of 1386 bytes for 1300; a busy machine has less.
            for lines, low, high in ((("traffic: {rate: 4Mbit}",), 2, 4),
                                     ((), 10, 21), (("traffic: {rate: 2Mbit}",), 1, 2)):
                lab.left.reload(tunnel, RIGHT, tunnel=lines)
                time.sleep(1)
                before, begin = flood.received, time.monotonic()
                time.sleep(1.5)
                rate = (flood.received - before) * 8 / (time.monotonic() - begin) / MEGABIT
                expect(low < rate < high, f"{lines}: {rate:.2f} Mbit/s")
        expect(lab.left.established()[0]["inboundSPI"] == spi, "the tunnel began anew")
        expect(lab.left.drops().get("classExpired", 0) < 500, str(lab.left.drops()))
