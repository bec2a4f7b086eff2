"""Address families, NAT, and how a tunnel begins."""

from Tests.Interop.common import connect, ping_both_ways
from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT, ROUTER_LEFT, ROUTER_RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel


def register(table):
    for outer in (4, 6):
        for inner in (4, 6):
            for role, initiator in (("initiate", "left"), ("respond", "right")):
                if (outer, inner) != (4, 4):  # every other case is that
                    table.add(f"path/ipv{inner}-in-ipv{outer}/{role}", plain,
                              tunnel=Tunnel(outer=outer, inner=(inner,)), initiator=initiator)
    table.add("path/both-in-one", plain, tunnel=Tunnel(inner=(4, 6)), initiator="left")
    table.add("path/automatic-encapsulation", plain, tunnel=Tunnel(encapsulation="auto"),
              initiator="left")
    table.add("path/on-traffic", on_traffic)
    table.add("path/at-boot", at_boot)
    table.add("path/everything-remote", everything_remote)
    table.add("path/second-address", second_address)
    for name, address in (("network", "198.51.100.0/24"), ("range", "198.51.100.1-198.51.100.9"),
                          ("any", "any"), ("list", ("203.0.113.7", "198.51.100.1"))):
        table.add(f"path/peer-from-{name}", peer_from, address=address)
    table.add("path/peer-from-elsewhere", peer_from_elsewhere)
    table.add("nat/initiator-behind", behind_nat)
    table.add("nat/responder-outside", peer_behind_nat)
    table.add("nat/mapping-changes", mapping_changes)
    table.add("nat/keepalive", keepalive)


def plain(lab, tunnel, initiator):
    """Nothing but IKE and ESP is on the wire, and both directions answer."""
    with Capture(lab.network.left, "wan") as capture:
        connect(lab, tunnel, initiator)
        ping_both_ways(lab, tunnel)
    expect(not capture.unprotected(), f"in clear on the wire: {capture.unprotected()[:5]}")
    expect(capture.of("esp-in-udp"), "no ESP on the wire")


def on_traffic(lab):
    """The first packet brings the tunnel up and arrives through it."""
    lab.needs_cygnet()
    tunnel = Tunnel(start="traffic")
    lab.left.apply(tunnel, RIGHT)
    lab.right.apply(tunnel, LEFT)
    with Capture(lab.network.left, "wan") as capture:
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1, wait=3)
    expect(not capture.unprotected(), f"in clear on the wire: {capture.unprotected()[:5]}")


def at_boot(lab):
    lab.needs_cygnet()
    tunnel = Tunnel(start="boot")
    lab.right.apply(tunnel, LEFT)
    lab.left.apply(tunnel, RIGHT)
    wait_until(lab.right.established, "the tunnel begins without being asked")
    ping_both_ways(lab, tunnel)


def second_address(lab):
    """The first address of the peer does not answer: the second one does."""
    lab.needs_cygnet()
    tunnel = Tunnel(right_address=("198.51.100.77", RIGHT.outer[4]))
    lab.right.apply(Tunnel(), LEFT)
    lab.left.apply(tunnel, RIGHT, connection=[
        "retransmission: { initial: 200ms, factor: 1.2, tries: 4 }"])
    lab.left.initiate()
    ping_both_ways(lab, tunnel)


def peer_from(lab, address):
    """The peer begins from where it may come from, and is answered there."""
    lab.needs_cygnet()
    lab.left.apply(Tunnel(right_address=address), RIGHT)
    lab.right.apply(Tunnel(), LEFT)
    lab.right.initiate()
    wait_until(lab.left.established, "Cygnet has the child")
    ping_both_ways(lab, Tunnel())


def peer_from_elsewhere(lab):
    """From where it may not come from, it is not answered with a tunnel."""
    lab.needs_cygnet()
    lab.left.apply(Tunnel(right_address="203.0.113.0/24"), RIGHT)
    lab.right.apply(Tunnel(), LEFT)
    lab.right.try_initiate()
    expect(not lab.left.established() and not lab.right.established(), "the tunnel came about")


def everything_remote(lab):
    """The remote selectors cover the peer's own address, and the tunnel does not enter itself."""
    tunnel = Tunnel(right_networks=("0.0.0.0/0",))
    lab.needs_cygnet()
    lab.left.apply(tunnel, RIGHT)
    lab.right.apply(tunnel, LEFT)
    lab.network.forget_mappings()
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def behind_nat(lab):
    """Cygnet is behind a NAT: encapsulation follows from NAT detection, not from force."""
    lab.network.translate("left")
    tunnel = Tunnel(encapsulation="auto", left_address=ROUTER_RIGHT[4])
    lab.left.apply(tunnel, RIGHT)
    lab.right.apply(tunnel, LEFT)
    lab.network.forget_mappings()
    lab.left.initiate()
    wait_until(lab.right.established, "the peer has the child")
    seen = lab.right.associations()[-1]["remote-host"]
    expect(seen == ROUTER_RIGHT[4], f"the peer sees {seen}, so there was no NAT")
    ping_both_ways(lab, tunnel)


def peer_behind_nat(lab):
    """The peer is behind a NAT and begins."""
    lab.network.translate("right")
    tunnel = Tunnel(encapsulation="auto", right_address=ROUTER_LEFT[4])
    lab.left.apply(tunnel, RIGHT)
    lab.right.apply(tunnel, LEFT)
    lab.network.forget_mappings()
    lab.right.initiate()
    wait_until(lab.left.established, "Cygnet has the child")
    ping_both_ways(lab, tunnel)


def mapping_changes(lab):
    """The peer's NAT forgets and maps to another port while traffic runs; Cygnet follows what is
    authenticated (RFC 7296 §2.23)."""
    lab.needs_cygnet()
    lab.network.translate("right", ports=(20000, 20099))
    tunnel = Tunnel(encapsulation="auto", right_address=ROUTER_LEFT[4])
    lab.left.apply(tunnel, RIGHT)
    lab.right.apply(tunnel, LEFT)
    lab.network.forget_mappings()
    lab.right.initiate()
    wait_until(lab.left.established, "Cygnet has the child")
    expect_ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4])
    lab.network.translate("right", ports=(30000, 30099))
    ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4], count=2)
    expect_ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4])
    port = int(lab.left.connection()["ikeSA"]["remoteEndpoint"].rsplit(":", 1)[1])
    expect(30000 <= port < 30100, f"Cygnet still believes in port {port}")


def keepalive(lab):
    """Behind a NAT and idle, the mapping is kept open (RFC 3948 §4)."""
    lab.needs_cygnet()
    lab.network.translate("left")
    tunnel = Tunnel(encapsulation="auto", left_address=ROUTER_RIGHT[4])
    lab.left.apply(tunnel, RIGHT, connection=["keepalive: 1s"])
    lab.right.apply(tunnel, LEFT)
    lab.network.forget_mappings()
    lab.left.initiate()
    with Capture(lab.network.left, "wan") as capture:
        wait_until(lambda: capture.of("keepalive", outgoing=True), "a keepalive", 4)
