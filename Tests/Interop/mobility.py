"""Ends that change their addresses under traffic (MOBIKE, RFC 4555), and peers that are sent to
another gateway (RFC 5685)."""

import contextlib
import time

from Tests.Interop.common import ping_both_ways
from Tests.Interop.exchanges import ike_spis, spis
from Tests.Lab.capture import Capture
from Tests.Lab.network import LEFT, RIGHT, ROUTER_LEFT, ROUTER_RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.traffic import Flow
from Tests.Lab.tunnel import Tunnel

# Where the ends move to, and how long traffic may take to follow, in seconds.
NEW = {"left": "192.0.2.77", "right": "198.51.100.77"}
BOUND = 5
QUICK = ["mobike: true", "retransmission: { initial: 200ms, factor: 1.4, tries: 8 }"]


def register(table):
    for initiator in ("left", "right"):
        word = "initiate" if initiator == "left" else "respond"
        for side in ("left", "right"):
            who = "cygnet" if side == "left" else "peer"
            table.add(f"mobike/{who}-moves/{word}", moves, initiator=initiator, side=side)
    table.add("mobike/cygnet-moves-and-back", there_and_back)
    table.add("mobike/cygnet-moves-and-rekeys", moves_and_rekeys)
    table.add("mobike/not-agreed", not_agreed)
    table.add("redirect/peer-sent-away-at-once", peer_sent_away)
    table.add("redirect/cygnet-sent-away-in-session", sent_away_in_session)


@contextlib.contextmanager
def spare_address(lab, side):
    """A second address at one end for the time of a block; the first one is there in the end."""
    namespace, site = ((lab.network.left, LEFT) if side == "left" else (lab.network.right, RIGHT))
    try:
        yield
    finally:
        router = (ROUTER_LEFT if side == "left" else ROUTER_RIGHT)[4]
        namespace.run("ip", "addr", "del", f"{NEW[side]}/24", "dev", "wan", check=False)
        namespace.run("ip", "addr", "add", f"{site.outer[4]}/24", "dev", "wan", check=False)
        namespace.run("ip", "route", "replace", "default", "via", router, check=False)


def move(lab, side, back=False):
    """The end has another address from one moment to the next, as after a change of networks. One
    program does it all: with a pause between, the end would go on by IPv6, which the peer told it of."""
    namespace, site = ((lab.network.left, LEFT) if side == "left" else (lab.network.right, RIGHT))
    old, new = site.outer[4], NEW[side]
    if back:
        old, new = new, old
    router = (ROUTER_LEFT if side == "left" else ROUTER_RIGHT)[4]
    # Else the first address of a link takes its secondaries and the routes by it away.
    namespace.sysctl(**{"net.ipv4.conf.wan.promote_secondaries": 1})
    namespace.run("sh", "-c", f"""ip -batch - <<'END'
addr add {new}/24 dev wan
addr del {old}/24 dev wan
route replace default via {router}
END""")


def connected(lab, initiator, mobike="yes"):
    lab.needs_cygnet()
    tunnel = Tunnel(encapsulation="auto")
    lab.right.apply(tunnel, LEFT, connection={
        "mobike": mobike, "local_addrs": ["%any"], "remote_addrs": [LEFT.outer[4], "%any"]}.items())
    lab.left.apply(tunnel, RIGHT, connection=QUICK, anywhere=True)
    (lab.left if initiator == "left" else lab.right).initiate()
    wait_until(lambda: lab.left.established() and lab.right.established(), "both have the child")
    ping_both_ways(lab, tunnel)
    return tunnel


def follows(lab, flows, since):
    """Traffic is back in both directions within the bound."""
    counts = [flow.received for flow in flows]
    wait_until(lambda: all(flow.received > count + 20 for flow, count in zip(flows, counts)),
               "traffic follows", max(0.1, BOUND - (time.monotonic() - since)))


def both_flows(lab):
    return [Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4], 100,
                 port=7000).start(),
            Flow(lab.network.right, RIGHT.inner[4], lab.network.left, LEFT.inner[4], 100,
                 port=7100).start()]


def moves(lab, initiator, side):
    """Traffic follows, by the same IKE SA, and both ends know the new address. (strongSwan's
    userspace ESP cannot change an SA's addresses: it rekeys the child.)"""
    with spare_address(lab, side):
        tunnel = connected(lab, initiator)
        before = ike_spis(lab)
        flows = both_flows(lab)
        try:
            time.sleep(0.3)
            since = time.monotonic()
            move(lab, side)
            time.sleep(0.1)
            follows(lab, flows, since)
        finally:
            for flow in flows:
                flow.stop()
        expect(ike_spis(lab) == before, "the IKE SA was replaced")
        seen = (lab.right.associations()[-1]["remote-host"] if side == "left"
                else lab.left.connection()["ikeSA"]["remoteEndpoint"])
        # The initiator chooses among all addresses of the peer, the IPv6 ones too.
        site = LEFT if side == "left" else RIGHT
        expect(NEW[side] in seen or site.outer[6] in seen, f"the other end believes in {seen}")
        ping_both_ways(lab, tunnel)
        lab.left.stop()


def there_and_back(lab):
    with spare_address(lab, "left"):
        tunnel = connected(lab, "left")
        before = ike_spis(lab)
        flows = both_flows(lab)
        try:
            for back in (False, True, False):
                since = time.monotonic()
                move(lab, "left", back)
                time.sleep(0.1)
                follows(lab, flows, since)
        finally:
            for flow in flows:
                flow.stop()
        expect(ike_spis(lab) == before, "the IKE SA was replaced")
        ping_both_ways(lab, tunnel)
        lab.left.stop()


def moves_and_rekeys(lab):
    """What was moved can be rekeyed, IKE SA and child."""
    with spare_address(lab, "left"):
        tunnel = connected(lab, "left")
        move(lab, "left")
        wait_until(lambda: lab.right.associations()[-1]["remote-host"] == NEW["left"],
                   "the peer follows", BOUND)
        # strongSwan rekeys the child because of the move, and is to be done with it.
        time.sleep(0.5)
        ike_before = ike_spis(lab)
        lab.right.rekey_ike()
        wait_until(lambda: ike_spis(lab) and not ike_spis(lab) & ike_before, "the new IKE SA")
        before = spis(lab)
        lab.right.rekey_child()
        wait_until(lambda: spis(lab) and not spis(lab) & before, "the new child")
        ping_both_ways(lab, tunnel)
        lab.left.stop()


def not_agreed(lab):
    """A peer without MOBIKE: the tunnel begins anew from the new address, or by hand at the
    latest."""
    with spare_address(lab, "left"):
        tunnel = connected(lab, "left", mobike="no")
        move(lab, "left")
        time.sleep(0.5)
        if not lab.left.established():
            lab.left.initiate()
        else:
            lab.left.stop()
            lab.left.start()
            lab.left.initiate()
        ping_both_ways(lab, tunnel)
        lab.left.stop()


def peer_sent_away(lab):
    """The peer begins and is told to go elsewhere; it does."""
    lab.needs_cygnet()
    lab.left.apply(Tunnel(), RIGHT, connection=["redirect-to: 192.0.2.77"])
    lab.right.apply(Tunnel(), LEFT)
    with Capture(lab.network.right, "wan") as capture:
        lab.right.try_initiate()
    there = [frame for frame in capture.of("ike", outgoing=True) if frame.target == "192.0.2.77"]
    expect(there, "the peer did not go where it was sent")
    expect(not lab.left.established(), "the tunnel came about here all the same")


def sent_away_in_session(lab):
    """The peer sends Cygnet to its other address in the middle of a session; the tunnel comes up
    there, with the same identity."""
    lab.needs_cygnet()
    lab.network.right.ip("addr", "add", f"{NEW['right']}/24", "dev", "wan")
    try:
        lab.right.apply(Tunnel(), LEFT, connection={"local_addrs": ["%any"]}.items())
        lab.left.apply(Tunnel(), RIGHT)
        lab.left.initiate()
        lab.right.vici.command("redirect", 10, **{"ike": "net", "gateway": NEW["right"]})
        wait_until(lambda: NEW["right"] in lab.left.connection().get("ikeSA", {}).get(
            "remoteEndpoint", ""), "the IKE SA at the other address", 8)
        wait_until(lab.left.established, "a child there", 5)
        ping_both_ways(lab, Tunnel())
        lab.left.stop()
    finally:
        lab.network.right.ip("addr", "del", f"{NEW['right']}/24", "dev", "wan")
