"""The steps that most cases share."""

from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import wait_until
from Tests.Lab.suites import expect_agreed
from Tests.Lab.traffic import expect_ping


def connect(lab, tunnel, initiator="left", peer=None):
    """Configures both ends and lets one of them begin; returns the peer."""
    peer = peer or lab.right
    lab.left.apply(tunnel, peer.site)
    peer.apply(tunnel, LEFT)
    (lab.left if initiator == "left" else peer).initiate()
    wait_until(lambda: peer.established() and lab.left.established(), "both ends have the child")
    return peer


def ping_both_ways(lab, tunnel, peer=None):
    site = (peer or lab.right).site
    for version in tunnel.inner:
        expect_ping(lab.network.left, LEFT.inner[version], site.inner[version])
        if site is RIGHT:
            expect_ping(lab.network.right, RIGHT.inner[version], LEFT.inner[version])


def expect_suite(peer, tunnel):
    """The peer, not Cygnet, says that what was agreed is what was configured."""
    expect_agreed(tunnel.ike, peer.associations()[-1], is_ike=True)
    expect_agreed(tunnel.esp, peer.established()[-1], is_ike=False)
