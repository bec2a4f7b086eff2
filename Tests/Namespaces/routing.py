"""Route-based tunnels: the routing table chooses between interfaces, each of one tunnel."""

import contextlib
import json
import os
import re
import socket
import threading
import time

from Tests.Lab.capture import Capture
from Tests.Lab.cygnet import Cygnet
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.namespaces import Namespace
from Tests.Lab.network import GUEST, INSIDE, LEFT, RIGHT, ROUTER_RIGHT
from Tests.Lab.processes import expect, run, status_of, wait_until
from Tests.Lab.tunnel import SECRET

# What both peers lead to, as two ways into one cloud do.
CLOUD = {4: "10.50.0.1", 6: "fd00:50::1"}
NETWORKS = {4: "10.50.0.0/24", 6: "fd00:50::/64"}
PORT = 9999
# Of echo requests: more than the kernel's own multicast on an interface has.
SIZE = 700


def register(table):
    table.add("routing/failover", failover)
    table.add("routing/policies-beside", policies_beside)
    table.add("routing/killed", killed)
    table.add("routing/stopped", stopped)
    table.add("routing/before-the-daemon", before_the_daemon)
    table.add("routing/reload", reloaded)
    table.add("routing/reload-refused", reload_refused)
    table.add("routing/last-address", last_address)
    table.add("routing/interface-taken", interface_taken)
    table.add("routing/interface-deleted", interface_deleted)
    table.add("routing/circle", circle)
    table.add("routing/on-traffic", on_traffic)
    table.add("routing/multicast", multicast)
    table.add("routing/narrower-peer", narrower_peer)
    table.add("routing/too-big", too_big)
    table.add("routing/discarded-by-default", discarded_by_default)


def tunnel(number, *more, start="at-boot"):
    """The lines of a tunnel by interface swan1 or swan2, seen from the left."""
    return [f"interface: swan{number}", f"addresses: [169.254.{number}.1/30, 'fd00:fe:{number}::1/64']",
            f"start: {start}", *more]


def connection(name, own, other, secret, tunnels, own_id, other_id):
    lines = [
        f"  {name}:",
        f"    local: {{address: '{own}', id: {own_id}}}",
        f"    remote: {{address: '{other}', id: {other_id}}}",
        f"    secret-file: {secret}",
        "    encapsulation: udp",
        "    tunnels:",
    ]
    for each, more in tunnels.items():
        lines += [f"      {each}:", *(f"        {line}" for line in more)]
    return lines


class Cloud:
    """The left gateway with a tunnel to each of two peers, which are Cygnet as well: `one` where
    strongSwan stands otherwise, and `two` beside it on the same link."""

    def __init__(self, lab):
        self.lab = lab
        self.left = lab.left
        self.two = Namespace(f"cygnet{os.getpid()}-two")
        self.ends = {1: Cygnet(lab.network.right, RIGHT, os.path.join(lab.folder, "one")),
                     2: Cygnet(self.two, GUEST, os.path.join(lab.folder, "two"))}
        self._join()
        lab.right.stop()
        for end in self.ends.values():
            for version, address in CLOUD.items():
                end.namespace.ip("addr", "add", f"{address}/{32 if version == 4 else 128}",
                                 "dev", "lo")

    def _join(self):
        router = self.lab.network.router
        run("ip", "-n", self.two.name, "link", "add", "wan", "type", "veth", "peer", "name",
            "to-two", "netns", router.name)
        self.two.ip("link", "set", "wan", "up")
        self.lab.network.join_right("to-two", GUEST)
        for version, length in ((4, 24), (6, 64)):
            nodad = ["nodad"] if version == 6 else []
            self.two.ip("addr", "add", f"{GUEST.outer[version]}/{length}", "dev", "wan", *nodad)
            self.two.ip(f"-{version}", "route", "add", "default", "via", ROUTER_RIGHT[version])
        # What leaks would arrive.
        for version, network in NETWORKS.items():
            router.ip(f"-{version}", "route", "add", network, "via", RIGHT.outer[version])

    def close(self):
        for end in self.ends.values():
            end.kill()
            status_of(*end.namespace.command(end.program, "guard", "lift"))
            for version, address in CLOUD.items():
                end.namespace.ip("addr", "del", f"{address}/{32 if version == 4 else 128}",
                                 "dev", "lo")
        for version, network in NETWORKS.items():
            self.lab.network.router.ip(f"-{version}", "route", "del", network)
        self.two.delete()
        self.lab.right.start()

    # Configurations

    def _write(self, end, lines, top=()):
        if os.path.exists(end.secret):
            os.unlink(end.secret)
        descriptor = os.open(end.secret, os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(descriptor, SECRET.encode() + b"\n")
        os.close(descriptor)
        text = "\n".join(["gateway:", f"  control-socket: {end.socket}", *top, "connections:",
                          *lines]) + "\n"
        with open(end.file + ".new", "w") as file:
            file.write(text)
        os.replace(end.file + ".new", end.file)

    def write(self, first=None, second=None, top=()):
        """The left gateway's configuration: the tunnels of each connection."""
        lines = []
        for number, tunnels in ((1, first), (2, second)):
            if tunnels:
                lines += connection(f"way{number}", LEFT.outer[4], self.site(number).outer[4],
                                    self.left.secret, tunnels, "left.example", f"end{number}.example")
        self._write(self.left, lines, top)

    def start_peer(self, number, tunnels=None):
        end = self.ends[number]
        lines = connection(
            "left", self.site(number).outer[4], LEFT.outer[4], end.secret,
            tunnels or {"all": self.back(number)}, f"end{number}.example", "left.example")
        self._write(end, lines)
        end.start()

    def back(self, number):
        return ["interface: back0",
                f"addresses: [169.254.{number}.2/30, 'fd00:fe:{number}::2/64']",
                "routes: [10.1.0.0/24, 'fd00:1::/64']", "start: on-traffic"]

    @staticmethod
    def site(number):
        return RIGHT if number == 1 else GUEST

    def start(self, first=None, second=None, top=(), peers=(1, 2)):
        """Everything, with a tunnel to each peer up."""
        for number in peers:
            self.start_peer(number)
        self.write(first or {"all": tunnel(1)}, second or {"all": tunnel(2)}, top)
        self.left.start()
        wait_until(lambda: all(self.children(f"way{number}") for number in peers), "tunnels up")

    # What is there

    def children(self, name):
        return [child for connection in self.left.status()["connections"]
                if connection["name"] == name for each in connection["tunnels"]
                for child in each["securityAssociations"]]

    def spis(self, name):
        return sorted(child["inboundSPI"] for child in self.children(name))

    def interface(self, name):
        for connection in self.left.status()["connections"]:
            for each in connection["tunnels"]:
                if (each.get("interface") or {}).get("name") == name:
                    return each["interface"]
        return None

    def route(self, number, *words, action="replace"):
        for version, network in NETWORKS.items():
            self.left.namespace.ip(f"-{version}", "route", action, network, "dev", f"swan{number}",
                                   *words)

    def reload(self):
        status, text = status_of(*self.left._command("reload", "--json"))
        return status, json.loads(text)

    def ping_cloud(self, count=3):
        for version, address in CLOUD.items():
            expect_ping(self.left.namespace, LEFT.inner[version], address, count=count, size=SIZE)


@contextlib.contextmanager
def cloud(lab):
    made = Cloud(lab)
    try:
        yield made
    finally:
        made.close()


def targets(capture):
    """The peers that echo requests were sent to."""
    return {frame.target for frame in capture.frames
            if frame.is_outgoing and frame.kind == "esp-in-udp" and frame.ip_length > SIZE}


def expect_nothing_clear(capture):
    capture.stop()
    addresses = (*CLOUD.values(), *LEFT.inner.values(), *INSIDE.values())
    found = [frame for frame in capture.frames
             if frame.kind in ("clear", "fragment", "icmp-error")
             and (frame.source in addresses or frame.target in addresses)]
    expect(not found, f"in clear: {len(found)} packets such as {found[:3]}")


class Sending:
    """Datagrams to the cloud from the gateway and from a host behind it, for the time of a block."""

    def __init__(self, made):
        left, inside = made.left.namespace, made.lab.inside()
        self.sockets = [(space.udp(addresses[version]), (CLOUD[version], PORT))
                        for space, addresses in ((left, LEFT.inner), (inside, INSIDE))
                        for version in (4, 6)]
        self.running, self.sent = True, 0
        self.thread = threading.Thread(target=self._send)

    def _send(self):
        while self.running:
            for sender, target in self.sockets:
                with contextlib.suppress(OSError):
                    sender.sendto(b"secret", target)
                self.sent += 1
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        for sender, _ in self.sockets:
            sender.close()


# The cases.

def failover(lab):
    """Two tunnels that carry everything; a route decides between them, and a change of it is all
    that a change of the way takes."""
    with cloud(lab) as made:
        made.start()
        rules = made.left.namespace.ip("rule")
        expect("4367" not in rules and "fwmark" not in rules, f"a rule was made: {rules}")
        with Capture(made.left.namespace, "wan") as capture:
            made.route(1)
            made.ping_cloud()
            time.sleep(0.2)
            expect(targets(capture) == {RIGHT.outer[4]}, f"sent to {targets(capture)}")
        expect_nothing_clear(capture)
        before = made.spis("way1"), made.spis("way2")
        with Capture(made.left.namespace, "wan") as capture:
            made.route(2)
            made.ping_cloud()
            time.sleep(0.2)
            expect(targets(capture) == {GUEST.outer[4]}, f"sent to {targets(capture)}")
        expect_nothing_clear(capture)
        expect(before == (made.spis("way1"), made.spis("way2")), "an SA was replaced")
        # Both by addresses of the links, as BGP talks.
        for number in (1, 2):
            expect_ping(made.left.namespace, f"169.254.{number}.1", f"169.254.{number}.2")
            counts = made.interface(f"swan{number}")
            expect(counts["received"]["packets"] >= 6 and counts["sent"]["packets"] >= 6,
                   f"counted {counts}")
        # From behind the gateway as well.
        expect_ping(lab.inside(), INSIDE[4], CLOUD[4])


def policies_beside(lab):
    """A policy-based tunnel of the same peer goes on by the shared device."""
    with cloud(lab) as made:
        made.start_peer(1, {"all": made.back(1), "net": [
            "local: 10.2.0.0/24", "remote: 10.1.0.0/24", "start: on-traffic"]})
        made.start_peer(2)
        made.write({"all": tunnel(1), "net": [
            "local: 10.1.0.0/24", "remote: 10.2.0.0/24", "start: at-boot"]}, {"all": tunnel(2)})
        made.left.start()
        wait_until(lambda: len(made.children("way1")) == 2 and made.children("way2"), "tunnels up")
        made.route(2)
        with Capture(made.left.namespace, "wan") as capture:
            expect_ping(made.left.namespace, LEFT.inner[4], RIGHT.inner[4], count=5)
            made.ping_cloud()
        expect_nothing_clear(capture)
        counts = {each["name"]: each["securityAssociations"][0]["outbound"]["packets"]
                  for each in made.left.status()["connections"][0]["tunnels"]}
        expect(counts["net"] == 5, f"by policy and by route: {counts}")
        # A route cannot take from a policy what the policy protects.
        made.left.namespace.ip("route", "add", "10.2.0.0/24", "dev", "swan2")
        expect_ping(made.left.namespace, LEFT.inner[4], RIGHT.inner[4])


def killed(lab):
    """After kill -9 the interface stays, and what is routed there dies with it."""
    with cloud(lab) as made:
        made.start()
        made.route(1)
        lab.inside()
        made.ping_cloud()
        with Capture(made.left.namespace, "wan") as capture, Sending(made) as sending:
            time.sleep(0.2)
            made.left.kill()
            time.sleep(0.8)
        expect(sending.sent > 50, "the test sent nothing")
        expect_nothing_clear(capture)
        expect("swan1" in made.left.namespace.ip("route", "show", NETWORKS[4]), "the route went")
        with Capture(made.left.namespace, "wan") as capture, Sending(made):
            made.left.start()
            wait_until(lambda: made.children("way1"), "it is up again")
        expect_nothing_clear(capture)
        made.ping_cloud()


def stopped(lab):
    """The same after a stop in good order; lifting the guard ends it, and shows that the capture
    would have seen something."""
    with cloud(lab) as made:
        made.start({"all": tunnel(1, "routes: [10.50.0.0/24, 'fd00:50::/64']")})
        lab.inside()
        made.ping_cloud()
        with Capture(made.left.namespace, "wan") as capture, Sending(made):
            made.left.stop()
            time.sleep(0.3)
            # Whoever deletes the interface meets the last resort below its routes.
            made.left.namespace.ip("link", "delete", "swan1")
            time.sleep(0.3)
        expect_nothing_clear(capture)
        made.left.guard("lift")
        links = made.left.namespace.ip("link")
        expect("swan" not in links, f"an interface stayed: {links}")
        with Capture(made.left.namespace, "wan") as capture, Sending(made):
            time.sleep(0.3)
        capture.stop()
        expect(any(frame.target == CLOUD[4] for frame in capture.frames), "nothing was sent")


def before_the_daemon(lab):
    """`guard set` makes the interfaces, so that routes to them exist from the beginning."""
    with cloud(lab) as made:
        made.write({"all": tunnel(1, "routes: [10.50.0.0/24, 'fd00:50::/64']")})
        made.left.guard("set")
        lab.inside()
        with Capture(made.left.namespace, "wan") as capture, Sending(made):
            time.sleep(0.3)
        expect_nothing_clear(capture)
        made.start_peer(1)
        made.left.start()
        wait_until(lambda: made.children("way1"), "it is up")
        made.ping_cloud()


def reloaded(lab):
    """A reload adds and removes tunnels with their interfaces, and touches no other."""
    with cloud(lab) as made:
        for number in (1, 2):
            made.start_peer(number)
        made.write({"all": tunnel(1)})
        made.left.start()
        wait_until(lambda: made.children("way1"), "the first is up")
        made.route(1)
        before = made.spis("way1")
        made.write({"all": tunnel(1)}, {"all": tunnel(2)})
        status, report = made.reload()
        expect(status == 0 and report["added"] == ["way2", "way2/all"], f"not added: {report}")
        wait_until(lambda: made.children("way2"), "the second is up")
        made.route(2)
        made.ping_cloud()
        made.write({"all": [line.replace("169.254.1.1", "169.254.1.1/32, 169.254.9.1")
                            for line in tunnel(1)]}, {"all": tunnel(2)})
        status, report = made.reload()
        expect(report["changed"] == [{"keys": ["addresses"], "name": "way1/all"}], f"{report}")
        expect("169.254.9.1" in made.left.namespace.ip("addr", "show", "swan1"), "no new address")
        made.write({"all": tunnel(1)})
        status, report = made.reload()
        expect(status == 0 and "way2/all" in report["removed"], f"not removed: {report}")
        addresses = made.left.namespace.ip("addr", "show", "swan1")
        expect("169.254.9.1" not in addresses and "169.254.1.1" in addresses, addresses)
        wait_until(lambda: "swan2" not in made.left.namespace.ip("link"), "its interface is gone")
        expect(made.spis("way1") == before, "an SA of the other was replaced")
        made.route(1)
        made.ping_cloud()
        # Another name for the same tunnel: the SAs stay.
        made.write({"all": [line.replace("swan1", "swan3") for line in tunnel(1)]})
        status, report = made.reload()
        expect(report["changed"] == [{"keys": ["interface"], "name": "way1/all"}], f"{report}")
        made.route(3)
        made.ping_cloud()
        expect(made.spis("way1") == before, "an SA was replaced")
        # By policies again: the interface goes, and the SAs serve the shared device.
        made.write({"all": ["local: [10.1.0.0/24, 'fd00:1::/64']",
                            "remote: [10.50.0.0/24, 'fd00:50::/64']", "start: at-boot"]})
        expect(made.reload()[0] == 0, "refused")
        wait_until(lambda: "swan" not in made.left.namespace.ip("link"), "the interface is gone")
        wait_until(lambda: made.children("way1"), "it is up by policy")
        made.ping_cloud()


def last_address(lab):
    """A reload that takes an interface's last address leaves the routes to it where they are."""
    with cloud(lab) as made:
        made.start_peer(1)
        made.write({"all": tunnel(1, "routes: [10.60.0.0/24]")})
        made.left.start()
        wait_until(lambda: made.children("way1"), "the first is up")
        space = made.left.namespace
        before = space.ip("route", "show", "10.60.0.0/24")
        expect("swan1" in before, f"no route: {before}")
        made.write({"all": [line for line in tunnel(1, "routes: [10.60.0.0/24]")
                            if not line.startswith("addresses")]})
        status, report = made.reload()
        after = space.ip("route", "show", "10.60.0.0/24")
        expect(status == 0 and report["changed"] == [{"keys": ["addresses"], "name": "way1/all"}],
               f"not changed: {report}")
        expect(after == before, f"routes went: {after}")
        time.sleep(0.5)
        expect("took away" not in made.left.read_log(), "it says that somebody else did it")


def reload_refused(lab):
    """A configuration that the kernel does not take leaves interfaces, rules and routes as they were."""
    with cloud(lab) as made:
        made.start_peer(1)
        made.write({"all": tunnel(1, "mtu: 1380", "routes: [10.60.0.0/24]")})
        made.left.start()
        wait_until(lambda: made.children("way1"), "the first is up")
        space = made.left.namespace

        def state():
            found = [space.ip(*words) for words in (
                ("link", "show", "type", "tun"), ("addr", "show", "swan1"), ("rule",), ("-6", "rule"),
                ("route", "show", "table", "all", "proto", "167"))]
            return found + [re.sub(r"packets \d+ bytes \d+", "", space.run("nft", "list", "ruleset"))]

        # Somebody else's, with the metric that the new configuration wants.
        space.ip("route", "add", "10.61.0.0/24", "dev", "lo", "metric", "77")
        try:
            before = state()
            lines = ["mtu: 1300", "routes: [10.61.0.0/24]", "route-metric: 77"]
            made.write({"all": [line.replace("169.254.1.1/30", "169.254.1.1/30, 169.254.9.1/32")
                                for line in tunnel(1, *lines)]}, {"all": tunnel(2)})
            status, report = made.reload()
            expect(status == 1 and "route-metric" in str(report["problems"]), f"it says: {report}")
            wait_until(lambda: "swan2" not in space.ip("link"), "the new interface is gone")
            after = state()
            for one, other in zip(before, after):
                expect(one == other, f"a refused reload changed\n{one}\nto\n{other}")
            made.write({"all": tunnel(1, "mtu: 1380", "routes: [10.60.0.0/24]")})
            expect(made.reload()[0] == 0, "the old configuration is refused")
            expect_ping(space, "169.254.1.1", "169.254.1.2")
        finally:
            space.ip("route", "delete", "10.61.0.0/24", "dev", "lo", "metric", "77")


def interface_taken(lab):
    """A name that another interface has changes nothing, and is told."""
    with cloud(lab) as made:
        made.start_peer(1)
        made.write({"all": tunnel(1)})
        made.left.start()
        wait_until(lambda: made.children("way1"), "the first is up")
        before = made.spis("way1")
        made.left.namespace.ip("link", "add", "swan2", "type", "bridge")
        try:
            made.write({"all": tunnel(1)}, {"all": tunnel(2)})
            status, report = made.reload()
            text = str(report["problems"])
            expect(status == 1 and "swan2" in text and "another" in text, f"it says: {report}")
            expect(made.spis("way1") == before, "an SA was replaced")
            expect_ping(made.left.namespace, "169.254.1.1", "169.254.1.2")
        finally:
            made.left.namespace.ip("link", "delete", "swan2")


def interface_deleted(lab):
    """Somebody deletes the interface of a gateway that runs: it is there again."""
    with cloud(lab) as made:
        made.start({"all": tunnel(1, "routes: [10.50.0.0/24, 'fd00:50::/64']")})
        made.left.namespace.ip("link", "delete", "swan1")
        wait_until(lambda: "swan1" in made.left.namespace.ip("link"), "it is made anew")
        wait_until(lambda: "swan1" in made.left.namespace.ip("route", "show", NETWORKS[4]),
                   "its route is there")
        made.ping_cloud()
        expect("deleted swan1" in made.left.read_log(), "nothing is told")


def circle(lab):
    """A route that leads the peer's own address into its tunnel: dropped, told, no storm."""
    with cloud(lab) as made:
        made.start()
        peer = RIGHT.outer[4]
        made.left.namespace.ip("route", "add", peer, "dev", "swan1")
        wait_until(lambda: (made.interface("swan1") or {}).get("problem"), "status tells of it")
        text = made.interface("swan1")["problem"]
        expect(peer in text and "add a route" in text, f"it says: {text}")
        sent = made.interface("swan1")["sent"]["packets"]
        with Capture(made.left.namespace, "wan") as capture:
            expect(ping(made.left.namespace, "169.254.1.1", "169.254.1.2", count=5, wait=0.3) == 0,
                   "answered over a circle")
        grown = made.interface("swan1")["sent"]["packets"] - sent
        expect(grown < 30, f"{grown} packets entered the interface for 5")
        expect(len([frame for frame in capture.frames if frame.is_outgoing]) < 60, "a storm")
        # The other tunnel does not mind.
        expect_ping(made.left.namespace, "169.254.2.1", "169.254.2.2")
        made.left.namespace.ip("route", "del", peer, "dev", "swan1")
        wait_until(lambda: not made.interface("swan1").get("problem"), "status tells of the end")
        wait_until(lambda: ping(made.left.namespace, "169.254.1.1", "169.254.1.2", count=1) == 1,
                   "packets pass again")
        # Without the guard, the packet path knows its own datagrams.
        made.left.guard("lift")
        made.left.namespace.ip("route", "add", peer, "dev", "swan1")
        ping(made.left.namespace, "169.254.1.1", "169.254.1.2", count=3, wait=0.3)
        drops = made.left.drops()
        expect(0 < drops.get("routedIntoItself", 0) < 100, f"dropped: {drops}")


def on_traffic(lab):
    """The first packet that is routed there brings the tunnel up, and is not lost; the kernel's own
    reports of IPv6 multicast groups do not."""
    with cloud(lab) as made:
        for number in (1, 2):
            made.start_peer(number, {"all": ["interface: back0", "start: on-traffic",
                                             f"addresses: 169.254.{number}.2/30"]})
        made.write(*({"all": [f"interface: swan{number}", "start: on-traffic",
                              f"addresses: 169.254.{number}.1/30"]} for number in (1, 2)))
        made.left.start()
        wait_until(lambda: made.left.drops().get("linkHousekeeping", 0) >= 2, "the kernel reports")
        expect(not made.children("way1") and not made.children("way2"), "up without traffic")
        with Capture(made.left.namespace, "wan") as capture:
            expect(ping(made.left.namespace, "169.254.2.1", "169.254.2.2", count=1, wait=3) == 1,
                   "the first packet was lost")
        expect_nothing_clear(capture)
        expect(made.children("way2") and not made.children("way1"), "the wrong one is up")


def multicast(lab):
    """Hellos of OSPF: what is sent to a group on the interface arrives at the other end's."""
    with cloud(lab) as made:
        made.start()
        receiver = made.ends[1].namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender = made.left.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with receiver, sender:
            receiver.bind(("224.0.0.5", PORT))
            receiver.setsockopt(
                socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                socket.inet_aton("224.0.0.5") + socket.inet_aton("169.254.1.2"))
            receiver.settimeout(2)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                              socket.inet_aton("169.254.1.1"))
            sender.sendto(b"hello", ("224.0.0.5", PORT))
            expect(receiver.recv(100) == b"hello", "something else came")
        # Unnumbered: link-local addresses that the kernel made.
        text = made.left.namespace.ip("-6", "-o", "addr", "show", "dev", "swan1", "scope", "link")
        expect("fe80::" in text, f"no link-local address: {text}")
        other = made.ends[1].namespace.ip("-6", "-o", "addr", "show", "dev", "back0", "scope", "link")
        address = other.split("inet6 ")[1].split("/")[0]
        expect_ping(made.left.namespace, "swan1", address)


def narrower_peer(lab):
    """A peer of IPv4 alone, as clouds are, and an interface on which the kernel speaks IPv6 too: the
    pair that is there stays, and is not asked to be more for the sake of hellos."""
    with cloud(lab) as made:
        made.start_peer(1, {"all": ["interface: back0", "addresses: 169.254.1.2/30",
                                    "local: 0.0.0.0/0", "remote: 0.0.0.0/0", "start: on-traffic"]})
        made.write({"all": tunnel(1)})
        made.left.start()
        wait_until(lambda: made.children("way1"), "the tunnel is up")
        expect_ping(made.left.namespace, "169.254.1.1", "169.254.1.2")
        before = made.spis("way1")
        with made.left.namespace.entered():
            index = socket.if_nametoindex("swan1")
        hellos = made.left.namespace.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        with hellos:
            for _ in range(12):
                hellos.sendto(b"hello", ("ff02::5", PORT, 0, index))
                time.sleep(0.1)
                expect_ping(made.left.namespace, "169.254.1.1", "169.254.1.2", count=1)
        expect(made.spis("way1") == before, "the pair was replaced or joined by another")
        expect(made.left.drops().get("noPolicy", 0) >= 12, f"dropped: {made.left.drops()}")


def too_big(lab):
    """What does not fit is answered on the interface that it came by."""
    with cloud(lab) as made:
        made.start()
        mtu = made.interface("swan1")["mtu"]
        expect(f"mtu {mtu} " in made.left.namespace.ip("link", "show", "swan1"), "another MTU")
        for number in (1, 2):
            # As when the way outside has become narrower than the interface knows.
            made.left.namespace.ip("link", "set", f"swan{number}", "mtu", "1500")
            made.route(number)
            for version, address in CLOUD.items():
                lab.inside().ip(f"-{version}", "route", "flush", "cache")
                _, text = status_of(*lab.inside().command(
                    "ping", "-n", "-M", "do", "-c", "1", "-W", "1", "-s", "1450", address))
                told = re.search(r"mtu[ =:]+(\d+)", text)
                expect(told and mtu <= int(told.group(1)) < 1478, f"ping says: {text}")
        expect(made.left.drops().get("tooBig", 0) == 4, f"{made.left.drops()}")
        # Whole: what fits, and what may be cut.
        expect_ping(made.left.namespace, "swan1", "169.254.1.2", size=3000)


def discarded_by_default(lab):
    """With `default-policy: discard`, what is routed to an interface passes and nothing else."""
    with cloud(lab) as made:
        made.start(top=["  default-policy: discard"])
        made.route(1)
        made.ping_cloud()
        for version in (4, 6):
            expect_ping(lab.inside(), INSIDE[version], CLOUD[version])
            expect_ping(made.ends[1].namespace, CLOUD[version], INSIDE[version])
        for space, source in ((made.left.namespace, LEFT.outer[4]), (lab.inside(), INSIDE[4])):
            expect(ping(space, source, "198.51.100.254", count=1, wait=0.3) == 0,
                   f"what no route protects left from {source}")
        expect(ping(made.left.namespace, LEFT.outer[4], "198.51.100.254", count=1, wait=0.5) == 0,
               "what no route protects passes")
