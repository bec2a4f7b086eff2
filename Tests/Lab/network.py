"""The network of the tests: a gateway on the left, a router between, a gateway on the right.

    10.1.0.0/24   left ── 192.0.2.0/24 ── router ── 198.51.100.0/24 ┬─ right   10.2.0.0/24
    fd00:1::/64          2001:db8:1::/64           2001:db8:2::/64  └─ guest   10.3.0.0/24
                                                                               fd00:2, fd00:3

The inner networks are addresses on each gateway's loopback. Both gateways have a default route to
the router and the router one to each inner network, so that what a gateway fails to protect shows
up on the wire and arrives.
"""

import contextlib
import os
import socket
import struct

from Tests.Lab.namespaces import Namespace
from Tests.Lab.processes import run


class Site:
    """The addresses of one gateway: outer ones by IP version, and inner hosts and networks."""

    def __init__(self, name, outer, inner):
        self.name = name
        self.outer = outer
        self.inner = inner
        self.networks = {
            4: inner[4].rsplit(".", 1)[0] + ".0/24",
            6: inner[6].rsplit("::", 1)[0] + "::/64",
        }


LEFT = Site("left", {4: "192.0.2.1", 6: "2001:db8:1::1"}, {4: "10.1.0.1", 6: "fd00:1::1"})
RIGHT = Site("right", {4: "198.51.100.1", 6: "2001:db8:2::1"}, {4: "10.2.0.1", 6: "fd00:2::1"})
GUEST = Site("guest", {4: "198.51.100.2", 6: "2001:db8:2::2"}, {4: "10.3.0.1", 6: "fd00:3::1"})
# A host behind the left gateway.
INSIDE = {4: "10.1.0.2", 6: "fd00:1::2"}
ROUTER_LEFT = {4: "192.0.2.254", 6: "2001:db8:1::fe"}
ROUTER_RIGHT = {4: "198.51.100.254", 6: "2001:db8:2::fe"}

NAT = """
table ip nat {{
    chain translate {{
        type nat hook postrouting priority srcnat;
        {rule}
    }}
}}
"""


class Network:
    def __init__(self):
        prefix = f"cygnet{os.getpid()}"
        self.router = self.left = self.right = self.host = None
        self.router = Namespace(f"{prefix}-router")
        self.left = Namespace(f"{prefix}-left")
        self.right = Namespace(f"{prefix}-right")
        self._join(self.left, LEFT, ROUTER_LEFT)
        self._join(self.right, RIGHT, ROUTER_RIGHT)

    def _join(self, gateway, site, router):
        """A link between a gateway's `wan` and the router; the right side is a bridge, so that
        further hosts can stand there."""
        run("ip", "-n", gateway.name, "link", "add", "wan", "type", "veth", "peer", "name",
            f"to-{site.name}", "netns", self.router.name)
        self.router.ip("link", "set", f"to-{site.name}", "up")
        here = f"to-{site.name}"
        if site is RIGHT:
            self.router.ip("link", "add", "lan", "type", "bridge")
            self.router.ip("link", "set", "lan", "up")
            # The lowest is the bridge's own too, which then stays as it is when hosts come and go.
            self.router.ip("link", "set", here, "address", "02:00:00:00:00:01")
            self.router.ip("link", "set", here, "master", "lan")
            here = "lan"
        gateway.ip("link", "set", "wan", "up")
        for version, length in ((4, 24), (6, 64)):
            nodad = ["nodad"] if version == 6 else []
            self.router.ip("addr", "add", f"{router[version]}/{length}", "dev", here, *nodad)
            gateway.ip("addr", "add", f"{site.outer[version]}/{length}", "dev", "wan", *nodad)
            # The host alone: a whole prefix on the loopback would be local to its last address.
            host = 32 if version == 4 else 128
            gateway.ip("addr", "add", f"{site.inner[version]}/{host}", "dev", "lo", *nodad)
            gateway.ip(f"-{version}", "route", "add", "default", "via", router[version])
            # What leaks would arrive: the router knows the way to the inner networks.
            self.router.ip(f"-{version}", "route", "add", site.networks[version],
                           "via", site.outer[version], "dev", here)
        # A capture must show real datagrams, not what will be cut later.
        gateway.run("ethtool", "-K", "wan", "tx-udp-segmentation", "off", check=False)

    def join_right(self, device, site):
        """Puts a device of the router's, behind which a further host stands, on the right side's
        link. The hardware address that an earlier host had there is forgotten: what is sent to it
        would be lost for as long as the router takes to doubt it."""
        self.router.ip("link", "set", device, "master", "lan")
        self.router.ip("link", "set", device, "up")
        for version, address in site.outer.items():
            self.router.ip(f"-{version}", "neigh", "flush", "to", address, "dev", "lan")

    def inside(self):
        """A host in the left inner network, behind the gateway; made when first asked for."""
        if self.host is None:
            self.host = Namespace(f"cygnet{os.getpid()}-inside")
            run("ip", "-n", self.left.name, "link", "add", "lan", "type", "veth", "peer", "name",
                "lan", "netns", self.host.name)
            self.left.ip("link", "set", "lan", "up")
            self.host.ip("link", "set", "lan", "up")
            # IPv6 answers for an address on the link it belongs to alone.
            self.left.ip("addr", "add", "fe80::1/64", "dev", "lan", "nodad")
            for version, length in ((4, 32), (6, 128)):
                nodad = ["nodad"] if version == 6 else []
                address = INSIDE[version]
                gateway = LEFT.inner[4] if version == 4 else "fe80::1"
                self.host.ip("addr", "add", f"{address}/{length}", "dev", "lan", *nodad)
                if version == 4:
                    self.host.ip("route", "add", gateway, "dev", "lan")
                self.host.ip(f"-{version}", "route", "add", "default", "via", gateway,
                             "dev", "lan")
                self.left.ip(f"-{version}", "route", "add", address, "dev", "lan")
        return self.host

    def translate(self, behind, ports=None):
        """Puts the named gateway behind a NAT that hides it behind the router's address; `ports`
        (first, last) is the range that it maps to. A change forgets every mapping."""
        out = "lan" if behind == "left" else "to-left"
        to = f" to :{ports[0]}-{ports[1]}" if ports else ""
        self.no_translation()
        text = NAT.format(rule=f'oifname "{out}" meta l4proto udp masquerade{to}')
        path = os.path.join("/tmp", f"{self.router.name}.nft")
        with open(path, "w") as file:
            file.write(text)
        try:
            self.router.run("nft", "-f", path)
        finally:
            os.unlink(path)
        self.forget_mappings()

    def no_translation(self):
        self.router.run("nft", "delete", "table", "ip", "nat", check=False)
        self.forget_mappings()

    def forget_mappings(self):
        """Empties the router's connection table (ctnetlink: IPCTNL_MSG_CT_DELETE of all)."""
        with self.router.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
            kind, flags = (1 << 8) | 2, 0x5  # subsystem ctnetlink, delete; request and acknowledge
            netlink.settimeout(2)
            netlink.send(struct.pack("=IHHIIBBH", 20, kind, flags, 1, 0, 0, 0, 0))
            try:
                netlink.recv(4096)
            except OSError:
                pass  # no connection tracking yet: nothing to forget

    @contextlib.contextmanager
    def without_ike(self, *sides):
        """For the time of the block no IKE message of the named sides (or of any) passes the
        router, and ESP does: at port 4500 the marker of four zeros tells them apart."""
        rules = ""
        for side in sides or ("left", "right"):
            device = "lan" if side == "right" else "to-left"
            rules += (f'iifname "{device}" udp dport 500 drop; iifname "{device}" udp dport 4500 '
                      "@th,64,32 0 drop; ")
        self.router.run("nft", "add table inet silence; add chain inet silence forward "
                        "{ type filter hook forward priority 0; }; "
                        + "".join(f"add rule inet silence forward {rule}; "
                                  for rule in rules.split("; ") if rule))
        try:
            yield
        finally:
            self.router.run("nft", "delete table inet silence", check=False)

    def cut(self, side):
        """Takes the link of one side down, as an unplugged cable does."""
        self.router.ip("link", "set", f"to-{side}", "down")

    def mend(self, side):
        self.router.ip("link", "set", f"to-{side}", "up")
        if side == "right":
            return  # its addresses are the bridge's
        # With the link went the router's IPv6 address there, and its routes of both versions.
        for version, length in ((4, 24), (6, 64)):
            nodad = ["nodad"] if version == 6 else []
            self.router.ip("addr", "replace", f"{ROUTER_LEFT[version]}/{length}",
                           "dev", "to-left", *nodad)
            self.router.ip(f"-{version}", "route", "replace", LEFT.networks[version],
                           "via", LEFT.outer[version], "dev", "to-left")

    def forget_paths(self):
        """What anybody was told that a path carries; it would be kept for ten minutes."""
        for namespace in (self.host, self.left, self.right, self.router):
            for version in (4, 6) if namespace else ():
                namespace.ip(f"-{version}", "route", "flush", "cache")

    def close(self):
        for namespace in (self.host, self.left, self.right, self.router):
            if namespace:
                namespace.delete()
