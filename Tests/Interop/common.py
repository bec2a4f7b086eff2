"""The steps that most cases share."""

import contextlib

from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import wait_until
from Tests.Lab.suites import expect_agreed


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


@contextlib.contextmanager
def addresses(lab, left=(), right=()):
    """Further inner addresses for the time of a block. strongSwan's userspace ESP takes no network
    for its own in which it has no address."""
    pairs = [(lab.network.left, address) for address in left]
    pairs += [(lab.network.right, address) for address in right]
    for namespace, address in pairs:
        namespace.ip("addr", "add", f"{address}/32", "dev", "lo")
    try:
        yield
    finally:
        for namespace, address in pairs:
            namespace.ip("addr", "del", f"{address}/32", "dev", "lo")
