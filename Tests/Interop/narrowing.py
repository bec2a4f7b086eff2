"""Selectors that differ and overlap: the responder narrows, the initiator takes what is narrower, and
nobody gets more than both allow (RFC 7296 §2.9)."""

from Tests.Interop.common import addresses, ping_both_ways
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.traffic import Flow
from Tests.Lab.tunnel import Tunnel

OURS = "10.1.0.0/24"
# Name: what Cygnet and the peer have for the peer's side, and what they must agree on.
REMOTE = {
    "narrower-network": (["10.2.0.0/24"], ["10.2.0.0/28"], ["10.2.0.0/28"]),
    "wider-network": (["10.2.0.0/24"], ["10.2.0.0/16"], ["10.2.0.0/24"]),
    "one-host": (["10.2.0.0/24"], ["10.2.0.1/32"], ["10.2.0.1"]),
    "everything": (["10.2.0.0/24"], ["0.0.0.0/0"], ["10.2.0.0/24"]),
    "range": (["10.2.0.0/24"], ["10.2.0.1-10.2.0.9"], ["10.2.0.1-10.2.0.9"]),
    "range-across": (["10.2.0.0-10.2.0.100"], ["10.2.0.1-10.2.0.200"], ["10.2.0.1-10.2.0.100"]),
    "one-of-two": (["10.2.0.0/24", "10.9.0.0/24"], ["10.2.0.0/24", "10.8.0.0/24"],
                   ["10.2.0.0/24"]),
    "two-of-three": (["10.2.0.0/24", "10.9.0.0/24", "10.7.0.0/24"],
                     ["10.2.0.0/24", "10.9.0.0/24"], ["10.2.0.0/24", "10.9.0.0/24"]),
    "one-protocol": (["10.2.0.0/24"], ["10.2.0.0/24[icmp]"], ["10.2.0.0/24[icmp]"]),
}


def register(table):
    for role, initiator in (("initiate", "left"), ("respond", "right")):
        for name, (ours, theirs, agreed) in REMOTE.items():
            table.add(f"narrow/{name}/{role}", narrow, initiator=initiator, ours=ours,
                      theirs=theirs, agreed=agreed)
        table.add(f"narrow/ports/{role}", ports, initiator=initiator)
        table.add(f"narrow/both-sides/{role}", both_sides, initiator=initiator)
        table.add(f"narrow/ipv6/{role}", ipv6, initiator=initiator)
    table.add("narrow/what-is-left-out-does-not-pass", left_out)
    table.add("narrow/an-sa-for-each-port", each_port)


def agree(lab, initiator, ours, theirs):
    """Brings the tunnel up with different networks at the two ends; returns Cygnet's child."""
    lab.needs_cygnet()
    lab.left.apply(ours, RIGHT)
    lab.right.apply(theirs, LEFT)
    (lab.left if initiator == "left" else lab.right).initiate()
    wait_until(lambda: lab.left.established() and lab.right.established(), "both have the child")
    return lab.left.established()[0]


def expect_same(child, peers, agreed):
    """Both ends say the same about the peer's side."""
    expect(sorted(plain(text) for text in child["remoteSelectors"])
           == sorted(plain(text) for text in agreed), f"Cygnet agreed on {child['remoteSelectors']}")
    expect(len(peers["local-ts"]) == len(agreed), f"the peer agreed on {peers['local-ts']}")


def plain(text):
    """Cygnet may write one host with a prefix or without, and ICMP by its name."""
    return text.replace("/32", "").replace("/128", "")


def narrow(lab, initiator, ours, theirs, agreed):
    tunnel = Tunnel(left_networks=(OURS,))
    with addresses(lab, right=["10.8.0.1", "10.9.0.1"]):
        child = agree(lab, initiator, tunnel.but(right_networks=tuple(ours)),
                      tunnel.but(right_networks=tuple(theirs)))
        expect_same(child, lab.right.established()[0], agreed)
        ping_both_ways(lab, tunnel)


def both_sides(lab, initiator):
    """Each side narrows what is its own."""
    child = agree(
        lab, initiator,
        Tunnel(left_networks=("10.1.0.0/28",), right_networks=("10.2.0.0/16",)),
        Tunnel(left_networks=("10.1.0.0/16",), right_networks=("10.2.0.0/28",)))
    expect_same(child, lab.right.established()[0], ["10.2.0.0/28"])
    expect(child["localSelectors"] == ["10.1.0.0/28"], f"{child['localSelectors']}")
    ping_both_ways(lab, Tunnel())


def ipv6(lab, initiator):
    tunnel = Tunnel(inner=(6,), left_networks=("fd00:1::/64",))
    child = agree(lab, initiator, tunnel.but(right_networks=("fd00:2::/64",)),
                  tunnel.but(right_networks=("fd00:2::/112",)))
    expect_same(child, lab.right.established()[0], ["fd00:2::/112"])
    ping_both_ways(lab, tunnel)


def ports(lab, initiator):
    """One UDP port at the peer's side: what goes there passes, in both directions."""
    tunnel = Tunnel(left_networks=(OURS,))
    child = agree(lab, initiator, tunnel.but(right_networks=("10.2.0.0/24",)),
                  tunnel.but(right_networks=("10.2.0.0/24[udp/7001]",)))
    expect_same(child, lab.right.established()[0], ["10.2.0.0/24[udp/7001]"])
    flow = Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4], rate=100).start()
    wait_until(lambda: flow.received > 20, "datagrams to the port arrive")
    flow.stop()
    expect(flow.missing == 0, f"{flow.missing} of {flow.sent} lost")


def each_port(lab):
    """Selectors that come from the packet (RFC 4301 §4.4.1): the peer's policy is for all ports, and each
    port that is used gets a child of its own, by which its packets go."""
    lab.needs_cygnet()
    tunnel = Tunnel(left_networks=(OURS,), right_networks=("10.2.0.0/24",), start="traffic")
    lab.left.apply(tunnel, RIGHT, tunnel=("sa-per: remote-port",))
    lab.right.apply(tunnel, LEFT)
    flows = [Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4], rate=100,
                  port=port).start() for port in (7000, 7002)]
    try:
        wait_until(lambda: all(flow.received > 20 for flow in flows), "both flows arrive", 15)
    finally:
        for flow in flows:
            flow.stop()
    agreed = sorted(child["remoteSelectors"] for child in lab.left.established())
    expect(agreed == [["10.2.0.0/24[udp/7001]"], ["10.2.0.0/24[udp/7003]"]], f"agreed on {agreed}")
    expect(all(child["outbound"]["packets"] > 20 for child in lab.left.established()),
           f"carried by one alone: {lab.left.established()}")


def left_out(lab):
    """What the peer narrowed away does not pass, in clear or otherwise."""
    with addresses(lab, right=["10.2.0.7", "10.2.0.129"]):
        child = agree(
            lab, "left", Tunnel(left_networks=(OURS,), right_networks=("10.2.0.0/24",)),
            Tunnel(left_networks=(OURS,), right_networks=("10.2.0.128/25", "10.2.0.1/32")))
        expect(len(child["remoteSelectors"]) == 2, f"{child['remoteSelectors']}")
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
        expect_ping(lab.network.left, LEFT.inner[4], "10.2.0.129")
        expect(ping(lab.network.left, LEFT.inner[4], "10.2.0.7", count=2, wait=0.3) == 0,
               "what was narrowed away is answered")
