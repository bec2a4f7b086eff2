"""A pair of SAs for each class of traffic (RFC 4301 §4.1), seen from the wire between two Cygnets."""

import collections
import contextlib
import socket
import struct
import threading
import time

from Tests.Lab.capture import Capture
from Tests.Lab.cygnet import CONNECTION, TUNNEL
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, run, status_of, wait_until
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.workers import expect_nothing_dropped, two_gateways

EXPEDITED, ASSURED, BULK = 46, 34, 8
LINES = ("sa-per-dscp: [ef, [af41, af42]]",)
PORTS = {EXPEDITED: 7301, ASSURED: 7302, BULK: 7303}


def register(table):
    for encapsulation in ("udp", "esp"):
        tunnel = Tunnel(encapsulation=encapsulation, start="boot")
        table.add(f"classes/{encapsulation}/by-dscp", by_dscp, tunnel=tunnel)
    table.add("classes/workers", by_dscp, tunnel=Tunnel(start="boot"), workers=2)
    table.add("classes/one-end", one_end, tunnel=Tunnel(start="boot"))


class Talk:
    """Numbered datagrams of several DSCPs, and answers of the same DSCP; each is to come once."""

    def __init__(self, lab, rate=150):
        self.interval = 1 / rate
        self.sent, self.answered = collections.defaultdict(list), collections.defaultdict(list)
        self.running = self.sending = True
        self.servers, self.clients, self.threads = {}, {}, []
        for dscp, port in PORTS.items():
            self.servers[dscp] = lab.network.right.udp(RIGHT.inner[4], port)
            self.clients[dscp] = lab.network.left.udp(LEFT.inner[4])
            for each in (self.servers[dscp], self.clients[dscp]):
                each.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
                each.settimeout(0.2)
            for work in (self._serve, self._send, self._collect):
                self.threads.append(threading.Thread(target=work, args=(dscp,)))
        for thread in self.threads:
            thread.start()

    def _serve(self, dscp):
        while self.running:
            with contextlib.suppress(TimeoutError):
                data, address = self.servers[dscp].recvfrom(2048)
                self.servers[dscp].sendto(data, address)

    def _send(self, dscp):
        while self.sending:
            name = struct.pack("!I", len(self.sent[dscp]))
            self.clients[dscp].sendto(name + bytes(200), (RIGHT.inner[4], PORTS[dscp]))
            self.sent[dscp].append(name)
            time.sleep(self.interval)

    def _collect(self, dscp):
        while self.running:
            with contextlib.suppress(TimeoutError):
                self.answered[dscp].append(self.clients[dscp].recv(2048)[:4])

    def finish(self):
        self.sending = False
        time.sleep(1)
        self.running = False
        for thread in self.threads:
            thread.join()
        for each in (*self.servers.values(), *self.clients.values()):
            each.close()

    def expect_all(self):
        for dscp, numbers in self.sent.items():
            came = self.answered[dscp]
            expect(len(numbers) > 300, f"DSCP {dscp}: only {len(numbers)} sent")
            expect(len(came) == len(set(came)), f"DSCP {dscp}: {len(came) - len(set(came))} doubled")
            missing = len(set(numbers) - set(came))
            expect(not missing, f"DSCP {dscp}: {missing} of {len(numbers)} were not answered")


def spis_of(capture, kind, outgoing):
    """By the outer DSCP, which is the inner one's copy: the SPIs in the order of their coming."""
    found = collections.defaultdict(list)
    for frame in capture.of(kind, outgoing=outgoing):
        spi, dscp = frame.payload[:4], frame.data[15] >> 2
        if spi not in found[dscp]:
            found[dscp].append(spi)
    return {dscp: [f"0x{spi.hex()}" for spi in found[dscp]] for dscp in PORTS}


def traits(gateway):
    return sorted(word for child in gateway.established() if child["isOutbound"]
                  for word in child.get("traits", []) if word.startswith("DSCP"))


def by_dscp(lab, tunnel, workers=1):
    """Each class has SPIs of its own both ways, before a rekey and after it, and nothing is lost."""
    words = ["DSCP af41 af42", "DSCP ef"]
    with two_gateways(lab, tunnel, lines=LINES, workers=workers) as other:
        wait_until(lambda: traits(lab.left) == words and traits(other) == words, "three pairs", 20)
        kind = "esp" if tunnel.encapsulation == "esp" else "esp-in-udp"
        with Capture(lab.network.right, "wan") as capture:
            talk = Talk(lab)
            try:
                time.sleep(2)
                for end in (lab.left, other):
                    run(*end._command("rekey", f"{CONNECTION}/{TUNNEL}"), timeout=20)
                    time.sleep(2)
            finally:
                talk.finish()
        talk.expect_all()
        used = {way: spis_of(capture, kind, way == "out") for way in ("in", "out")}
        for way, classes in used.items():
            every = [spi for spis in classes.values() for spi in spis]
            expect(len(every) == len(set(every)), f"{way}: classes share an SPI: {classes}")
            # Two rekeyings: the first SPI, its successor, and that one's.
            expect(all(len(spis) == 3 for spis in classes.values()), f"{way}: {classes}")
        for child in lab.left.established():
            if not child["isOutbound"]:
                continue
            word = " ".join(child.get("traits", []))
            dscp = EXPEDITED if "ef" in word else ASSURED if "af41" in word else BULK
            expect(child["outboundSPI"] == used["in"][dscp][-1], f"{child}: {used}")
            # Both ends use one pair for a class.
            expect(child["inboundSPI"] == used["out"][dscp][-1], f"{child}: {used}")
        expect_named(lab, used["in"])
        expect_nothing_dropped(lab.left, other)


def expect_named(lab, used):
    """`cygnet explain packet` says which SA it is."""
    for dscp in PORTS:
        status, said = status_of(*lab.left._command(
            "explain", "packet", LEFT.inner[4], RIGHT.inner[4], "--dscp", str(dscp), "--running"))
        expect(status == 0 and f"of SA {used[dscp][-1]}" in said, f"DSCP {dscp}: {said}")


def one_end(lab, tunnel):
    """A peer without classes takes what comes by each pair, and the classes go while it runs."""
    with two_gateways(lab, tunnel, workers=1) as other:
        wait_until(lambda: len(other.established()) == 1, "the tunnel", 20)
        talk = Talk(lab)
        try:
            for lines, words in ((LINES, ["DSCP af41 af42", "DSCP ef"]), ((), [])):
                lab.left.reload(tunnel, RIGHT, tunnel=lines, gateway=("workers: 1",))
                wait_until(lambda: traits(lab.left) == words, f"the traits {words}", 30)
                time.sleep(3)
        finally:
            talk.finish()
        talk.expect_all()
        wait_until(lambda: len(lab.left.established()) == 1, "one pair again", 60)
        expect_nothing_dropped(lab.left, other)
