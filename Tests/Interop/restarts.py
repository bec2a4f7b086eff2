"""Ends that stop, die and come back, and links that break: traffic returns within ten seconds of the
moment when it can."""

import time

from Tests.Interop.common import ping_both_ways
from Tests.Interop.collisions import settled
from Tests.Lab.capture import Capture
from Tests.Lab.echo import ping
from Tests.Lab.network import LEFT, RIGHT, ROUTER_RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.traffic import Flow
from Tests.Lab.tunnel import Tunnel

# What the issue is about, in seconds.
BOUND = 10
# Cygnet finds a dead peer in about two seconds.
WATCHFUL = ["retransmission: { initial: 200ms, factor: 1.5, tries: 4 }"]
# The peer does so in about three, and begins anew.
PEER_WATCHFUL = {"retransmit_tries": 2}
PEER_RESTARTS = {"dpd_delay": "1s"}.items(), {"dpd_action": "restart"}.items()


def register(table):
    for how in ("dies", "stops"):
        for start in ("traffic", "boot"):
            table.add(f"restart/peer-{how}/{start}", peer_goes, how=how, start=start)
            table.add(f"restart/cygnet-{how}/{start}", cygnet_goes, how=how, start=start)
        table.add(f"restart/peer-{how}/peer-begins", peer_goes_and_begins, how=how)
        table.add(f"restart/cygnet-{how}/peer-begins", cygnet_goes_and_peer_begins, how=how)
    table.add("restart/both-die", both_die)
    table.add("restart/cygnet-dies-three-times", three_times)
    table.add("restart/cygnet-dies-over-ipv6", cygnet_goes, how="dies", start="boot", outer=6)
    table.add("restart/cygnet-dies-behind-nat", cygnet_dies_behind_nat)
    table.add("restart/peer-dies-behind-nat", peer_dies_behind_nat)
    table.add("outage/short", outage_short)
    table.add("outage/long", outage_long)
    table.add("outage/of-ike-alone", outage_of_ike)
    for side in ("left", "right"):
        table.add(f"outage/one-way-from-{side}", outage_one_way, side=side)
    table.add("liveness/both-ask", both_ask)
    table.add("liveness/traffic-is-a-sign-of-life", traffic_counts)
    table.add("liveness/peer-finds-cygnet-dead", peer_finds_dead)


def connected(lab, tunnel, **peer):
    lab.needs_cygnet()
    lab.right.apply(tunnel.but(liveness_seconds=0), LEFT, **peer)
    lab.left.apply(tunnel, RIGHT, connection=WATCHFUL)
    if tunnel.start == "manual":
        lab.left.initiate()
    wait_until(lambda: answers(lab), "the tunnel works at all")


def answers(lab):
    return ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1, wait=0.3) == 1


def answers_from_peer(lab):
    return ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4], count=1, wait=0.3) == 1


def returns(lab, since, tunnel):
    """Traffic is back within the bound, in both directions, and stays."""
    wait_until(lambda: answers(lab), "traffic returns", BOUND - (time.monotonic() - since))
    ping_both_ways(lab, tunnel)
    time.sleep(0.5)
    ping_both_ways(lab, tunnel)


def peer_goes(lab, how, start):
    tunnel = Tunnel(start=start, liveness_seconds=1)
    connected(lab, tunnel)
    lab.right.die() if how == "dies" else lab.right.stop()
    time.sleep(0.5)
    lab.right.restart()
    lab.right.apply(tunnel.but(liveness_seconds=0), LEFT)
    returns(lab, time.monotonic(), tunnel)


def peer_goes_and_begins(lab, how):
    """The peer that comes back begins by itself; Cygnet only answers."""
    tunnel = Tunnel()
    connected(lab, tunnel)
    lab.right.die() if how == "dies" else lab.right.stop()
    lab.right.restart()
    lab.right.apply(tunnel, LEFT)
    since = time.monotonic()
    lab.right.initiate()
    returns(lab, since, tunnel)


def cygnet_goes(lab, how, start, outer=4):
    tunnel = Tunnel(start=start, liveness_seconds=1, outer=outer)
    connected(lab, tunnel)
    lab.left.kill() if how == "dies" else lab.left.stop()
    time.sleep(0.5)
    since = time.monotonic()
    lab.left.start()
    if start == "boot":
        # Nobody on the left asks for it.
        wait_until(lambda: answers_from_peer(lab), "traffic returns", BOUND)
    returns(lab, since, tunnel)


def cygnet_goes_and_peer_begins(lab, how):
    """Cygnet that comes back waits; the peer finds out by itself and begins anew."""
    tunnel = Tunnel()
    connection, child = PEER_RESTARTS
    connected(lab, tunnel, settings=PEER_WATCHFUL, connection=connection, child=child)
    lab.left.kill() if how == "dies" else lab.left.stop()
    if how == "stops":
        wait_until(lambda: not lab.right.associations(), "the peer is told")
        lab.left.start()
        since = time.monotonic()
        lab.right.initiate()
    else:
        lab.left.start()
        since = time.monotonic()
    wait_until(lambda: answers_from_peer(lab), "traffic returns", BOUND)
    returns(lab, since, tunnel)


def both_die(lab):
    tunnel = Tunnel(start="boot", liveness_seconds=1)
    connected(lab, tunnel)
    lab.left.kill()
    lab.right.die()
    lab.right.restart()
    lab.right.apply(tunnel.but(liveness_seconds=0), LEFT)
    lab.left.start()
    returns(lab, time.monotonic(), tunnel)


def three_times(lab):
    """Each time the newest tunnel is the one that carries, and nothing of the old ones is left."""
    tunnel = Tunnel(start="boot", liveness_seconds=1)
    connected(lab, tunnel)
    for _ in range(3):
        lab.left.kill()
        since = time.monotonic()
        lab.left.start()
        returns(lab, since, tunnel)
    settled(lab)


def cygnet_dies_behind_nat(lab):
    lab.network.translate("left")
    tunnel = Tunnel(encapsulation="auto", left_address=ROUTER_RIGHT[4], start="boot",
                    liveness_seconds=1)
    connected(lab, tunnel)
    lab.left.kill()
    lab.network.forget_mappings()
    since = time.monotonic()
    lab.left.start()
    returns(lab, since, tunnel)


def peer_dies_behind_nat(lab):
    """Cygnet cannot begin with a peer behind a NAT: the peer does, from another port."""
    lab.needs_cygnet()
    lab.network.translate("right", ports=(20000, 20099))
    tunnel = Tunnel(encapsulation="auto", right_address="192.0.2.254")
    lab.left.apply(tunnel, RIGHT, connection=WATCHFUL)
    lab.right.apply(tunnel, LEFT)
    lab.network.forget_mappings()
    lab.right.initiate()
    wait_until(lambda: answers_from_peer(lab), "the tunnel works at all")
    lab.right.die()
    lab.network.translate("right", ports=(30000, 30099))
    lab.right.restart()
    lab.right.apply(tunnel, LEFT)
    since = time.monotonic()
    lab.right.initiate()
    wait_until(lambda: answers_from_peer(lab), "traffic returns", BOUND)
    returns(lab, since, tunnel)


def outage_short(lab):
    """A link that comes back before anybody gave up: the same SAs go on, nothing is negotiated."""
    tunnel = Tunnel(start="traffic", liveness_seconds=1)
    connected(lab, tunnel)
    before = [child["inboundSPI"] for child in lab.left.established()]
    lab.network.cut("right")
    time.sleep(1.2)
    lab.network.mend("right")
    returns(lab, time.monotonic(), tunnel)
    after = [child["inboundSPI"] for child in lab.left.established()]
    expect(after == before, "the SAs were replaced")


def outage_long(lab):
    """A link that comes back after the peer was given up."""
    for start in ("traffic", "boot"):
        tunnel = Tunnel(start=start, liveness_seconds=1)
        connected(lab, tunnel)
        lab.network.cut("right")
        wait_until(lambda: not lab.left.established(), "Cygnet gives the peer up", 8)
        lab.network.mend("right")
        returns(lab, time.monotonic(), tunnel)


def outage_of_ike(lab):
    """IKE alone does not pass, for less than it takes to give up, while traffic goes on: nobody
    is declared dead who sends."""
    tunnel = Tunnel(liveness_seconds=1)
    connected(lab, tunnel)
    before = [child["inboundSPI"] for child in lab.left.established()]
    flow = Flow(lab.network.right, RIGHT.inner[4], lab.network.left, LEFT.inner[4]).start()
    try:
        with lab.network.without_ike():
            time.sleep(4)
    finally:
        flow.stop()
    after = [child["inboundSPI"] for child in lab.left.established()]
    expect(after == before, "the tunnel went down although the peer was heard all the time")
    expect(flow.missing == 0, f"{flow.missing} of {flow.sent} lost")
    ping_both_ways(lab, tunnel)


def outage_one_way(lab, side):
    """Nothing passes in one direction: the peer is given up, status says why, traffic returns."""
    tunnel = Tunnel(start="traffic", liveness_seconds=1)
    connected(lab, tunnel)
    device = "to-left" if side == "left" else "lan"
    lab.network.router.run("nft", "add table inet oneway; add chain inet oneway forward "
                           "{ type filter hook forward priority 0; }; "
                           f'add rule inet oneway forward iifname "{device}" drop')
    try:
        wait_until(lambda: not lab.left.established(), "Cygnet gives the peer up", 9)
        expect(lab.left.failure(), "status does not say why")
    finally:
        lab.network.router.run("nft", "delete table inet oneway", check=False)
    returns(lab, time.monotonic(), tunnel)


def both_ask(lab):
    """Both ends ask an idle peer; their requests cross now and then, and the tunnel stays."""
    lab.needs_cygnet()
    tunnel = Tunnel(liveness_seconds=1)
    lab.left.apply(tunnel, RIGHT, connection=WATCHFUL)
    lab.right.apply(tunnel, LEFT)
    lab.left.initiate()
    before = [child["inboundSPI"] for child in lab.left.established()]
    time.sleep(3.5)
    expect([child["inboundSPI"] for child in lab.left.established()] == before,
           "the tunnel did not stay")
    ping_both_ways(lab, tunnel)


def traffic_counts(lab):
    """While the peer is heard by ESP it is not asked (RFC 7296 §2.4)."""
    tunnel = Tunnel(liveness_seconds=1)
    connected(lab, tunnel)
    flow = Flow(lab.network.right, RIGHT.inner[4], lab.network.left, LEFT.inner[4], rate=50)
    flow.start()
    try:
        time.sleep(0.5)
        with Capture(lab.network.left, "wan") as capture:
            time.sleep(2.5)
    finally:
        flow.stop()
    asked = capture.of("ike", outgoing=True)
    expect(not asked, f"{len(asked)} questions although the peer sends all the time")


def peer_finds_dead(lab):
    """Cygnet dies: the peer asks, has no answer, and gives it up."""
    connection, _ = PEER_RESTARTS
    connected(lab, Tunnel(), settings=PEER_WATCHFUL, connection=connection)
    lab.left.kill()
    wait_until(lambda: not lab.right.associations(), "the peer gives Cygnet up", 8)
