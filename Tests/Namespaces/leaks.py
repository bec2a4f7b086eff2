"""Nothing in clear while things happen: disturbances by name, under one harness.

Through each of them hosts inside and the gateway itself send to the protected network, and a stranger
on the link sends clear packets that claim to come from there. The link is captured, and inside
somebody listens: neither may see anything."""

import contextlib
import os
import re
import signal
import threading
import time

from Tests.Lab.capture import Capture
from Tests.Lab.echo import ping
from Tests.Lab.frames import Wire, udp_packet
from Tests.Lab.network import INSIDE, LEFT, RIGHT, ROUTER_LEFT
from Tests.Lab.processes import expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.guard import Sending, leaked

TUNNEL = Tunnel(inner=(4, 6), start="traffic", liveness_seconds=1)
PORT = 9998
TABLE = "4367"


def register(table):
    for name, (action, comes_back) in DISTURBANCES.items():
        table.add(f"leaks/{name}", undisturbed, action=action, comes_back=comes_back)
    table.add("leaks/lifted, which shows", lifted)


class Watch:
    """Traffic both ways from its beginning to its end, and what was seen of it where it must not be."""

    def __init__(self, lab):
        self.lab = lab
        self.inside = lab.inside()
        self.forged = self.arrived = 0
        self.seen = []

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.wire = self.stack.enter_context(Wire(self.lab.network))
        self.listeners = []
        for version in (4, 6):
            for namespace, address in ((self.lab.network.left, LEFT.inner[version]),
                                       (self.inside, INSIDE[version])):
                listener = self.stack.enter_context(namespace.udp("::" if version == 6
                                                                  else "0.0.0.0", PORT + version))
                listener.setblocking(False)
                self.listeners.append((listener, address, version))
        self.capture = self.stack.enter_context(Capture(self.lab.network.left, "wan"))
        self.sending = self.stack.enter_context(Sending(self.lab))
        self.running = True
        self.thread = threading.Thread(target=self.forge)
        self.thread.start()
        return self

    def forge(self):
        number = 0
        while self.running:
            number += 1
            for _, address, version in self.listeners:
                # A link that is down takes nothing.
                with contextlib.suppress(OSError):
                    self.wire.send(udp_packet(RIGHT.inner[version], address, 1234, PORT + version,
                                              b"forged %d" % number))
                    self.forged += 1
            self.look()
            time.sleep(0.01)

    def look(self):
        for listener, address, _ in self.listeners:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.seen.append((address, listener.recv(100)))

    def __exit__(self, *failure):
        self.running = False
        self.thread.join()
        self.look()
        self.capture.stop()
        self.left = leaked(self.capture)
        self.stack.close()
        return False


def begin(lab, tunnel=TUNNEL, **extra):
    lab.right.apply(tunnel, LEFT)
    lab.left.apply(tunnel, RIGHT, **extra)
    lab.left.initiate()


def carries(lab):
    return ping(lab.inside(), INSIDE[4], RIGHT.inner[4], count=1, wait=0.3) == 1


def is_covered(frame):
    """Whether the tunnel is for it, by both of its ends."""
    here = {LEFT.inner.get(frame.version), INSIDE.get(frame.version)}
    return frame.source in here and frame.target == RIGHT.inner.get(frame.version)


def undisturbed(lab, action, comes_back):
    steps = action(lab)
    next(steps)
    with Watch(lab) as watch:
        time.sleep(0.15)
        next(steps, None)
        time.sleep(0.25)
        if comes_back:
            wait_until(lambda: carries(lab), "the tunnel carries again", 15, 0.1)
    expect(watch.sending.sent > 60 and watch.forged > 60,
           f"only {watch.sending.sent} sent and {watch.forged} forged")
    left = watch.left
    if action in OTHER_SOURCE:
        left = [frame for frame in left if is_covered(frame) or frame.kind == "icmp-error"]
    if action in OPENED_INWARDS:
        left = [frame for frame in left if frame.kind != "icmp-error"]
    expect(not left, f"left in clear: {len(left)} packets such as {left[:3]}")
    came = [] if action in OPENED_INWARDS else watch.seen
    expect(not came, f"came in clear: {len(came)} packets such as {came[:3]}")
    next(steps, None)


def lifted(lab):
    """Without the guard both are seen: that is what the others would have found."""
    begin(lab)
    lab.left.stop()
    lab.left.guard("lift")
    with Watch(lab) as watch:
        time.sleep(1.5)
    versions = {frame.version for frame in watch.left}
    expect(versions == {4, 6}, f"of what left, {versions} was seen")
    places = {address for address, _ in watch.seen}
    expect(len(places) == 4, f"of what came, {places} was seen")


# Disturbances: what is before, then what happens, then what has to be mended behind.

def starting(lab):
    lab.right.apply(TUNNEL, LEFT)
    lab.left.write(TUNNEL, RIGHT)
    lab.left.guard("set")
    yield
    lab.left.start()


def stopping(lab):
    begin(lab)
    yield
    lab.left.stop()


def restarting(lab):
    begin(lab)
    yield
    lab.left.stop()
    lab.left.start()


def killed(lab):
    begin(lab)
    yield
    lab.left.kill()


def killed_and_started(lab):
    begin(lab)
    yield
    for _ in range(3):
        lab.left.kill()
        lab.left.start()


def killed_while_starting(lab):
    begin(lab)
    yield
    for milliseconds in (1, 5, 20, 50, 100, 150):
        lab.left.kill()
        lab.left.start(wait=False)
        time.sleep(milliseconds / 1000)
    lab.left.kill()
    lab.left.start()


def started_with_nonsense(lab):
    begin(lab)
    yield
    lab.left.kill()
    with open(lab.left.file) as file:
        text = file.read()
    with open(lab.left.file, "w") as file:
        file.write(text + "nonsense: [\n")
    lab.left.start(wait=False)
    lab.left.process.process.wait(5)
    with open(lab.left.file, "w") as file:
        file.write(text)
    lab.left.start()


def stopped_for_a_while(lab):
    begin(lab)
    yield
    os.kill(lab.left.process.pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(lab.left.process.pid, signal.SIGCONT)


def second_daemon(lab):
    begin(lab)
    yield
    status, _ = status_of(*lab.left.namespace.command(
        lab.left.program, "run", "--config", lab.left.file), timeout=10)
    expect(status != 0, "a second gateway runs")


def reloaded(lab):
    begin(lab)
    yield
    for _ in range(5):
        lab.left.reload(TUNNEL, RIGHT)


def reloaded_with_more(lab):
    begin(lab)
    yield
    for number in range(5):
        lab.left.reload(TUNNEL, RIGHT, tunnels={f"more{number}": [
            f"local: 10.1.0.0/24", f"remote: 10.77.{number}.0/24", "start: by-hand"]})


def reloaded_in_another_order(lab):
    begin(lab)
    yield
    for number in range(5):
        lab.left.reload(TUNNEL, RIGHT, top=[
            "policies:", f"  - bypass: {{remote: 203.0.113.{number}}}", "  - protect: peer/net",
            f"  - discard: {{remote: 203.0.113.{number + 100}}}"])


def reloaded_with_other_ways(lab):
    """Everything about the tunnel but what it covers changes, so that it is made anew."""
    begin(lab)
    yield
    for number in range(3):
        lab.left.reload(TUNNEL, RIGHT, tunnel=[f"mtu: {1300 + number}", "dscp: 46"])


def reloaded_with_nonsense(lab):
    begin(lab)
    yield
    with open(lab.left.file) as file:
        text = file.read()
    with open(lab.left.file, "w") as file:
        file.write(text.replace("local:", "lokal:"))
    for _ in range(3):
        status_of(*lab.left.namespace.command(
            lab.left.program, "reload", "--socket", lab.left.socket))
    with open(lab.left.file, "w") as file:
        file.write(text)


def rekeyed(lab):
    begin(lab, TUNNEL.but(child_rekey_seconds=5))
    yield
    spi = lab.left.established()[0]["inboundSPI"]
    wait_until(lambda: lab.left.established()
               and lab.left.established()[0]["inboundSPI"] != spi, "a rekey", 10)


def ike_rekeyed(lab):
    begin(lab, TUNNEL.but(ike_rekey_seconds=10))
    yield
    spi = lab.left.connection()["ikeSA"]["initiatorSPI"]
    wait_until(lambda: (lab.left.connection().get("ikeSA") or {}).get("initiatorSPI", spi) != spi,
               "a rekey of the IKE SA", 15)


def taken_down(lab):
    begin(lab)
    yield
    for _ in range(3):
        lab.left.delete_ike()
        wait_until(lambda: carries(lab), "traffic brings it up", 5, 0.1)


def deleted_by_the_peer(lab):
    begin(lab)
    yield
    lab.right.delete_child()
    time.sleep(0.2)
    lab.right.delete_ike()


def peer_restarted(lab):
    begin(lab)
    yield
    lab.right.stop()
    time.sleep(1)
    lab.right.start()
    lab.right.apply(TUNNEL, LEFT)


def peer_silent(lab):
    """Nothing comes from the peer until it is given up, and then again."""
    begin(lab, connection=["retransmission: {initial: 200ms, factor: 1.2, tries: 3}"])
    yield
    lab.network.cut("right")
    wait_until(lambda: not lab.left.established(), "the peer is given up", 15)
    lab.network.mend("right")


def device_removed(lab):
    """The gateway ends; the guard stays."""
    begin(lab)
    yield
    lab.network.left.ip("link", "del", "cygnet0")
    lab.left.process.process.wait(8)
    lab.left.process = None


def device_removed_and_started(lab):
    begin(lab)
    yield
    lab.network.left.ip("link", "del", "cygnet0")
    lab.left.process.process.wait(8)
    lab.left.start()


def device_down(lab):
    begin(lab)
    yield
    for _ in range(3):
        lab.network.left.ip("link", "set", "cygnet0", "down")
        time.sleep(0.1)
        lab.network.left.ip("link", "set", "cygnet0", "up")
        time.sleep(0.1)


def routes_flushed(lab):
    begin(lab)
    yield
    for version in ("-4", "-6"):
        status_of("ip", "-n", lab.network.left.name, version, "route", "flush", "table", TABLE)


def rules_removed(lab):
    begin(lab)
    yield
    for version in ("-4", "-6"):
        found = lab.network.left.ip(version, "rule")
        for priority in re.findall(rf"^(\d+):.*lookup {TABLE}", found, re.MULTILINE):
            lab.network.left.ip(version, "rule", "del", "priority", priority)


def firewall_flushed(lab):
    begin(lab)
    yield
    for _ in range(3):
        lab.network.left.run("nft", "flush", "ruleset")
        time.sleep(0.2)


def route_flapped(lab):
    """The way to the peer, and to everything else, goes and comes."""
    begin(lab)
    yield
    for _ in range(5):
        for version in (4, 6):
            lab.network.left.ip(f"-{version}", "route", "del", "default")
        time.sleep(0.05)
        for version in (4, 6):
            lab.network.left.ip(f"-{version}", "route", "add", "default", "via",
                                ROUTER_LEFT[version])
        time.sleep(0.05)


def better_route(lab):
    """A route straight to the protected network, better than any, as a routing daemon might set."""
    begin(lab)
    yield
    for version in (4, 6):
        network = RIGHT.networks[version]
        lab.network.left.ip(f"-{version}", "route", "add", network, "via", ROUTER_LEFT[version],
                            "metric", "1")
    time.sleep(0.3)
    for version in (4, 6):
        lab.network.left.ip(f"-{version}", "route", "del", RIGHT.networks[version])


def link_down(lab):
    begin(lab)
    yield
    for _ in range(2):
        lab.network.cut("left")
        time.sleep(0.3)
        lab.network.mend("left")
        time.sleep(0.3)


def link_removed_from_under(lab):
    """The gateway's own end of the link goes down: its routes go, and are set again behind it."""
    begin(lab)
    yield
    left = lab.network.left
    left.ip("link", "set", "wan", "down")
    time.sleep(0.2)
    left.ip("link", "set", "wan", "up")
    status_of("ip", "-n", left.name, "-6", "addr", "add", f"{LEFT.outer[6]}/64", "dev", "wan",
              "nodad")
    for version in (4, 6):
        status_of("ip", "-n", left.name, f"-{version}", "route", "add", "default", "via",
                  ROUTER_LEFT[version])


def address_lost(lab):
    begin(lab)
    yield
    left = lab.network.left
    left.ip("addr", "del", f"{LEFT.outer[4]}/24", "dev", "wan")
    time.sleep(0.3)
    left.ip("addr", "add", f"{LEFT.outer[4]}/24", "dev", "wan")
    left.ip("route", "replace", "default", "via", ROUTER_LEFT[4])


def translated(lab):
    begin(lab)
    yield
    lab.network.translate("left", (20000, 20100))
    time.sleep(0.3)
    lab.network.translate("left", (20200, 20300))
    time.sleep(0.3)
    lab.network.no_translation()


def narrow_link(lab):
    """What is sent no longer fits the link, and is fragmented or refused."""
    begin(lab)
    yield
    left = lab.network.left
    left.ip("link", "set", "wan", "mtu", "1280")
    for size in (1000, 1400, 4000):
        ping(left, LEFT.inner[4], RIGHT.inner[4], count=1, size=size, wait=0.1)
        ping(lab.inside(), INSIDE[4], RIGHT.inner[4], count=1, size=size, wait=0.1)
    left.ip("link", "set", "wan", "mtu", "1500")


def guard_set_again(lab):
    begin(lab)
    yield
    for _ in range(3):
        lab.left.guard("set")


def unbound(lab):
    """The inner address of the gateway goes and comes: what it sends may have another source. What comes
    by the tunnel for that address would follow the default route, but for a route that says no."""
    begin(lab)
    left = lab.network.left
    left.ip("route", "add", "unreachable", LEFT.networks[4], "metric", "9999")
    yield
    left.ip("addr", "del", f"{LEFT.inner[4]}/32", "dev", "lo")
    time.sleep(0.2)
    left.ip("addr", "add", f"{LEFT.inner[4]}/32", "dev", "lo")


def traced(lab):
    """Somebody watches packets, and goes."""
    begin(lab)
    yield
    for _ in range(3):
        status, text = status_of(*lab.left.namespace.command(
            lab.left.program, "trace", "--socket", lab.left.socket, "--count", "5", "--seconds", "10"))
        expect(status == 0 and "10.2.0.1" in text, f"trace says: {text}")


# Without Cygnet's routes, or its inner address, the kernel gives what the gateway itself sends, and what
# is bound to no address, its outer address: no policy covers that.
OTHER_SOURCE = (routes_flushed, rules_removed, unbound)
# Who takes the firewall away lets in what it kept out, and out what only it knows to be covered, which
# are errors of those whom no policy covers, until the gateway has put it back.
OPENED_INWARDS = (firewall_flushed,)

# By name: what happens, and whether the tunnel carries again behind it.
DISTURBANCES = {
    "start": (starting, True),
    "stop": (stopping, False),
    "stop-and-start": (restarting, True),
    "kill-9": (killed, False),
    "kill-9-and-start": (killed_and_started, True),
    "kill-9-while-starting": (killed_while_starting, True),
    "start-with-nonsense": (started_with_nonsense, True),
    "process-stopped": (stopped_for_a_while, True),
    "second-daemon": (second_daemon, True),
    "reload": (reloaded, True),
    "reload-with-more-tunnels": (reloaded_with_more, True),
    "reload-in-another-order": (reloaded_in_another_order, True),
    "reload-with-other-values": (reloaded_with_other_ways, True),
    "reload-with-nonsense": (reloaded_with_nonsense, True),
    "rekey": (rekeyed, True),
    "rekey-of-the-ike-sa": (ike_rekeyed, True),
    "down-and-up": (taken_down, True),
    "deleted-by-the-peer": (deleted_by_the_peer, True),
    "peer-restarted": (peer_restarted, True),
    "peer-silent": (peer_silent, True),
    "device-removed": (device_removed, False),
    "device-removed-and-start": (device_removed_and_started, True),
    "device-down": (device_down, True),
    "routes-flushed": (routes_flushed, True),
    "rules-removed": (rules_removed, True),
    "firewall-flushed": (firewall_flushed, True),
    "route-flapped": (route_flapped, True),
    "better-route": (better_route, True),
    "link-down": (link_down, True),
    "link-down-at-the-gateway": (link_removed_from_under, True),
    "outer-address-lost": (address_lost, True),
    "nat-mapping-changed": (translated, True),
    "link-mtu-shrunk": (narrow_link, True),
    "guard-set-again": (guard_set_again, True),
    "inner-address-lost": (unbound, True),
    "trace": (traced, True),
}
