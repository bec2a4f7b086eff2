"""What follows once the tunnel stands: rekeying under traffic, deleting, a peer that dies."""

import time

from Tests.Interop.common import connect, ping_both_ways
from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.traffic import Flow
from Tests.Lab.tunnel import Tunnel

# In seconds: the shortest that the configuration takes.
SHORT_LIFE = {"child": 5, "ike": 10}


def register(table):
    for side in ("peer", "cygnet"):
        for what in ("child", "ike"):
            table.add(f"rekey/{what}-by-{side}", rekey, what=what, side=side)
    table.add("rekey/twice-each", rekey_often)
    for side in ("peer", "cygnet"):
        for what in ("child", "ike"):
            table.add(f"delete/{what}-by-{side}", delete, what=what, side=side)
    table.add("liveness/peer-dies", peer_dies)
    table.add("liveness/answered", liveness_answered)
    table.add("liveness/peer-comes-back", peer_comes_back)
    table.add("lossy/first-request-lost", first_request_lost)


class Counted:
    """Traffic in both directions and the wire between, so that who lost a packet can be told."""

    def __init__(self, lab, rate=400):
        network = lab.network
        self.lab = lab
        self.capture = Capture(network.left, "wan")
        self.out = Flow(network.left, LEFT.inner[4], network.right, RIGHT.inner[4],
                        rate, port=7000)
        self.into = Flow(network.right, RIGHT.inner[4], network.left, LEFT.inner[4],
                         rate, port=7100)
        self.out.start()
        self.into.start()

    def stop(self):
        self.out.stop()
        self.into.stop()
        self.capture.stop()

    def expect_none_lost_here(self, besides=0):
        """Every datagram given to the left gateway is ESP on the wire, and every ESP packet that
        reached it was delivered; `besides` others were given to it. What the peer lost of its own
        is told, not held against it."""
        wire_out = len(self.capture.of("esp-in-udp", "esp", outgoing=True)) - besides
        wire_in = len(self.capture.of("esp-in-udp", "esp", outgoing=False))
        expect(self.out.sent <= wire_out,
               f"{self.out.sent} went in and {wire_out} came out: {self.out.sent - wire_out} lost")
        expect(wire_in <= self.into.received + self.into.duplicates,
               f"{wire_in} came from the peer, {self.into.received} of {self.into.sent} sent were "
               "delivered")
        expect(not self.out.duplicates and not self.into.duplicates, "datagrams were duplicated")
        lost_by_peer = (self.out.sent - self.out.received, self.into.sent - wire_in)
        if any(lost_by_peer):
            print(f"(the peer lost {lost_by_peer[0]} received and {lost_by_peer[1]} sent) ", end="")
        expect(not self.lab.right.associations() or self.out.received > self.out.sent / 2,
               f"only {self.out.received} of {self.out.sent} arrived")


def spis(lab):
    return {child["spi-in"] for child in lab.right.established()}


def ike_spis(lab):
    return {association["initiator-spi"] + association["responder-spi"]
            for association in lab.right.associations() if association["state"] == "ESTABLISHED"}


def rekey(lab, what, side):
    """Replaces the child or the IKE SA while traffic runs in both directions."""
    by_cygnet = side == "cygnet" and not lab.is_reference
    tunnel = Tunnel()
    if by_cygnet:
        tunnel = tunnel.but(**{f"{what}_rekey_seconds": SHORT_LIFE[what]})
    connect(lab, tunnel)
    before = spis(lab) if what == "child" else ike_spis(lab)
    traffic = Counted(lab)
    try:
        time.sleep(0.3)
        if not by_cygnet:
            end = lab.left if side == "cygnet" else lab.right
            end.rekey_child() if what == "child" else end.rekey_ike()
        now = spis if what == "child" else ike_spis
        wait_until(lambda: now(lab) and not now(lab) & before, "the new SA in place of the old",
                   SHORT_LIFE[what] + 2)
        time.sleep(0.4)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    ping_both_ways(lab, tunnel)


def rekey_often(lab):
    """Child, IKE, child, IKE: what was rekeyed can be rekeyed again."""
    connect(lab, Tunnel())
    traffic = Counted(lab)
    try:
        for what in ("child", "ike", "child", "ike"):
            now = spis if what == "child" else ike_spis
            before = now(lab)
            lab.right.rekey_child() if what == "child" else lab.right.rekey_ike()
            wait_until(lambda: now(lab) and not now(lab) & before, f"the new {what} SA")
            time.sleep(0.2)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()


def delete(lab, what, side):
    connect(lab, Tunnel())
    end = lab.right if side == "peer" else lab.left
    end.delete_child() if what == "child" else end.delete_ike()
    wait_until(lambda: not lab.left.established() and not lab.right.established(),
               "both ends forget the child")
    if what == "ike":
        wait_until(lambda: not lab.right.associations(), "the peer forgets the IKE SA")
    else:
        expect(lab.right.associations(), "the IKE SA went with its child")
    expect(ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1, wait=0.3) == 0,
           "a ping is answered without a tunnel")
    if side == "peer":
        lab.left.initiate()
        ping_both_ways(lab, Tunnel())


def peer_dies(lab):
    """A peer that falls silent is asked, and given up (RFC 7296 §2.4)."""
    lab.needs_cygnet()
    tunnel = Tunnel(liveness_seconds=1)
    lab.left.apply(tunnel, RIGHT, connection=[
        "retransmission: { initial: 200ms, factor: 1.5, tries: 3 }"])
    # The peer must not ask: what it sends counts as a sign of life.
    lab.right.apply(tunnel.but(liveness_seconds=0), LEFT)
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
    lab.right.die()
    try:
        wait_until(lambda: not lab.left.established(), "Cygnet gives the peer up", 6)
        expect(lab.left.failure(), "status does not say that the peer died")
    finally:
        lab.right.restart()


def liveness_answered(lab):
    """An idle peer is asked and answers; the tunnel stays."""
    tunnel = Tunnel(liveness_seconds=1)
    connect(lab, tunnel)
    with Capture(lab.network.left, "wan") as capture:
        wait_until(lambda: capture.of("ike", outgoing=True) and capture.of("ike", outgoing=False),
                   "somebody asks whether the peer lives")
    ping_both_ways(lab, tunnel)


def peer_comes_back(lab):
    """A peer that lost its memory begins anew and is answered (RFC 7296 §2.4, INITIAL_CONTACT)."""
    tunnel = Tunnel()
    connect(lab, tunnel)
    lab.right.die()
    lab.right.restart()
    lab.right.apply(tunnel, LEFT)
    lab.right.initiate()
    ping_both_ways(lab, tunnel)


def first_request_lost(lab):
    """The request is lost on the way and sent again (RFC 7296 §2.1)."""
    lab.left.apply(Tunnel(), RIGHT, **({} if lab.is_reference else {
        "connection": ["retransmission: { initial: 400ms, factor: 1.5, tries: 5 }"]}))
    lab.right.apply(Tunnel(), LEFT)
    lab.network.router.run("nft", "add table ip lossy; add chain ip lossy forward "
                           "{ type filter hook forward priority 0; }; "
                           "add rule ip lossy forward udp dport 500 limit rate over 1/hour "
                           "burst 1 packets accept; add rule ip lossy forward udp dport 500 drop")
    try:
        lab.left.initiate()
    finally:
        lab.network.router.run("nft", "delete table ip lossy", check=False)
    ping_both_ways(lab, Tunnel())
