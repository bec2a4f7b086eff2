"""Paths that carry less than the link: a router says so, or nobody does."""

import contextlib
import os
import re

from Tests.Lab.cygnet import Cygnet
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import INSIDE, LEFT, RIGHT
from Tests.Lab.processes import expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.limits import send_file


def register(table):
    table.add("path-mtu/shrinks", shrinks)
    table.add("path-mtu/ignored", ignored)
    table.add("path-mtu/black-hole", black_hole)


def connected(lab, gateway=()):
    tunnel = Tunnel()
    lab.right.apply(tunnel, LEFT)
    lab.left.apply(tunnel, RIGHT, gateway=gateway)
    # What was told in the case before.
    for namespace in (lab.network.left, lab.inside()):
        namespace.ip("route", "flush", "cache")
    lab.left.initiate()


def path_mtu(lab):
    """What the SA that packets leave by is said to carry."""
    return next((sa["pathMTU"] for connection in lab.left.status()["connections"]
                 for tunnel in connection["tunnels"]
                 for sa in tunnel["securityAssociations"] if sa["isOutbound"]), None)


def large_pings(lab):
    """Pings of a size that fits the link and not the path; what ping says."""
    return status_of(*lab.inside().command(
        "ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1380",
        RIGHT.inner[4]))[1]


@contextlib.contextmanager
def narrow_link(lab, mtu):
    """The router's link to the right carries no more than `mtu` octets, and the router says so."""
    lab.network.router.ip("link", "set", "lan", "mtu", str(mtu))
    try:
        yield
    finally:
        lab.network.router.ip("link", "set", "lan", "mtu", "1500")


@contextlib.contextmanager
def black_hole_of(lab, octets):
    """The router drops what is larger than `octets` without a word."""
    lab.network.router.run("nft", "add table inet hole; add chain inet hole forward "
                           "{ type filter hook forward priority 0; }; "
                           f"add rule inet hole forward meta length > {octets} drop")
    try:
        yield
    finally:
        lab.network.router.run("nft", "delete table inet hole", check=False)


def shrinks(lab):
    """A path that comes to carry less: the gateway hears of it, and hosts inside are told."""
    connected(lab)
    expect(path_mtu(lab) == 1500, f"at first {path_mtu(lab)}")
    with narrow_link(lab, 1400):
        large_pings(lab)
        wait_until(lambda: path_mtu(lab) == 1400, "the path MTU of the router's word")
        output = large_pings(lab)
        told = re.search(r"mtu[ =](\d+)", output)
        expect(told and 1300 < int(told.group(1)) < 1400, f"hosts inside hear: {output}")
        expect_ping(lab.inside(), INSIDE[4], RIGHT.inner[4], size=int(told.group(1)) - 28,
                    may_be_cut=False)
        result, digest = send_file(lab, 4, lab.inside(), INSIDE[4], 1 << 20)
        expect(result.get("digest") == digest, f"the file arrived changed: {result}")


def ignored(lab):
    """With path-mtu: ignore the router says so in vain."""
    connected(lab, ["path-mtu: ignore"])
    with narrow_link(lab, 1400):
        large_pings(lab)
        expect(path_mtu(lab) == 1500, f"somebody was believed: {path_mtu(lab)}")
    expect_ping(lab.inside(), INSIDE[4], RIGHT.inner[4], size=1380, may_be_cut=False)


def black_hole(lab):
    """A path that swallows large packets is found by probes that the peer answers."""
    lab.right.stop()
    other = Cygnet(lab.network.right, RIGHT, os.path.join(lab.folder, "right-gateway"))
    try:
        with black_hole_of(lab, 1400):
            tunnel = Tunnel()
            other.apply(tunnel, LEFT)
            lab.left.apply(tunnel, RIGHT, gateway=["path-mtu-probe: 1m"])
            lab.network.left.ip("route", "flush", "cache")
            lab.left.initiate()
            wait_until(lambda: 1392 <= (path_mtu(lab) or 0) <= 1400, "the size that passes", 60,
                       0.5)
            result, digest = send_file(lab, 4, lab.inside(), INSIDE[4], 1 << 20)
            expect(result.get("digest") == digest, f"the file arrived changed: {result}")
    finally:
        other.kill()
        other.lift_guard()
        lab.right.start()
