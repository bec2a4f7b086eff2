"""IKE messages in fragments (RFC 7383), over networks that let nothing large pass."""

import contextlib

from Tests.Interop.children import network
from Tests.Interop.common import addresses, ping_both_ways
from Tests.Interop.exchanges import ike_spis, spis
from Tests.Lab.capture import Capture
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

SKF = 53
# So many networks on either side make IKE_AUTH larger than 700 octets.
COUNT = 16
SMALL = 400


def register(table):
    for role, initiator in (("initiate", "left"), ("respond", "right")):
        table.add(f"fragment/{role}", fragmented, initiator=initiator)
        table.add(f"fragment/ipv6/{role}", fragmented, initiator=initiator, outer=6)
        table.add(f"fragment/peer-cannot/{role}", whole, initiator=initiator, side="peer")
        table.add(f"fragment/cygnet-will-not/{role}", whole, initiator=initiator, side="cygnet")
        table.add(f"fragment/lossy/{role}", lossy, initiator=initiator)
        table.add(f"fragment/small-mtu/{role}", small_mtu, initiator=initiator)
    for what in ("child", "ike"):
        table.add(f"fragment/rekey-{what}", rekey, what=what)


@contextlib.contextmanager
def large(lab, outer=4, ours=SMALL, theirs=SMALL, fragmentation="yes"):
    """Both ends have so many networks that their messages are large; gives the tunnel."""
    lab.needs_cygnet()
    pairs = [(LEFT.inner[4], RIGHT.inner[4]),
             *((f"10.1.{number}.1", f"10.2.{number}.1") for number in range(100, 99 + COUNT))]
    left, right = zip(*pairs)
    tunnel = Tunnel(outer=outer, left_networks=tuple(map(network, left)),
                    right_networks=tuple(map(network, right)))
    with addresses(lab, left[1:], right[1:]):
        lab.left.apply(tunnel, RIGHT, connection=[
            f"fragment-size: {ours}", "retransmission: { initial: 300ms, factor: 1.2, tries: 12 }"])
        lab.right.apply(tunnel, LEFT, settings={
            "fragment_size": theirs, "retransmit_timeout": 0.3, "retransmit_tries": 12,
            "retransmit_base": 1.2}, connection={"fragmentation": fragmentation}.items())
        yield tunnel
        # Whatever stands is to go before the addresses do.
        lab.left.stop()


def begin(lab, initiator):
    (lab.left if initiator == "left" else lab.right).initiate()
    wait_until(lambda: lab.left.established() and lab.right.established(), "both have the child")


def pieces(capture, outgoing):
    return [frame for frame in capture.of("ike", outgoing=outgoing)
            if 4500 in frame.ports and frame.payload[20:21] == bytes([SKF])]


def fragmented(lab, initiator, outer=4):
    """Both ends cut what they send, and put together what they receive."""
    with large(lab, outer) as tunnel:
        with Capture(lab.network.left, "wan") as capture:
            begin(lab, initiator)
        for outgoing in (True, False):
            found = pieces(capture, outgoing)
            expect(len(found) >= 2, f"{len(found)} fragments {'sent' if outgoing else 'received'}")
            largest = max(frame.ip_length for frame in found)
            expect(not outgoing or largest <= SMALL, f"a fragment of {largest} octets")
        ping_both_ways(lab, tunnel)


def whole(lab, initiator, side):
    """Where one end cannot or will not, nothing is cut."""
    options = {"fragmentation": "no"} if side == "peer" else {"ours": "off"}
    with large(lab, **options) as tunnel:
        with Capture(lab.network.left, "wan") as capture:
            begin(lab, initiator)
        expect(not pieces(capture, True) and not pieces(capture, False), "there were fragments")
        ping_both_ways(lab, tunnel)


@contextlib.contextmanager
def rule(lab, text):
    """A rule of the router for forwarded packets."""
    lab.network.router.run("nft", "add table inet narrow; add chain inet narrow forward "
                           "{ type filter hook forward priority 0; }; "
                           f"add rule inet narrow forward {text}")
    try:
        yield
    finally:
        lab.network.router.run("nft", "delete table inet narrow", check=False)


def lossy(lab, initiator):
    """Every fourth IKE message at port 4500 is lost; whole messages are repeated until they come."""
    with large(lab) as tunnel:
        with rule(lab, "udp dport 4500 @th,64,32 0 numgen inc mod 4 == 3 drop"):
            begin(lab, initiator)
        ping_both_ways(lab, tunnel)


def small_mtu(lab, initiator):
    """A path that silently loses what is larger than 620 octets, and all fragments of IP: the ends
    find out and cut smaller."""
    with large(lab, ours=1280, theirs=576) as tunnel:
        with rule(lab, "meta length > 620 drop"), Capture(lab.network.left, "wan") as capture:
            begin(lab, initiator)
        expect(len(pieces(capture, True)) >= 2, "nothing was cut smaller")
        ping_both_ways(lab, tunnel)


def rekey(lab, what):
    with large(lab) as tunnel:
        begin(lab, "left")
        now = spis if what == "child" else ike_spis
        before = now(lab)
        lab.right.rekey_child() if what == "child" else lab.right.rekey_ike()
        wait_until(lambda: now(lab) and not now(lab) & before, f"the new {what} SA")
        ping_both_ways(lab, tunnel)
