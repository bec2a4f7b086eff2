"""Nothing in clear, in either direction, whatever state the daemon is in."""

import contextlib
import os
import re
import threading
import time

from Tests.Lab.capture import Capture
from Tests.Lab.cases import Skip
from Tests.Lab.cygnet import ROOT
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.errors import INNER_ROUTER, raw_sender
from Tests.Lab.frames import Wire, icmp_error, udp_packet
from Tests.Lab.network import INSIDE, LEFT, RIGHT, ROUTER_LEFT, ROUTER_RIGHT
from Tests.Lab.processes import Failure, expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel

BOTH = Tunnel(inner=(4, 6))
PORT = 9999


def register(table):
    for state in STATES:
        table.add(f"guard/out/{state}", nothing_leaves, state=state)
        table.add(f"guard/in/{state}", nothing_enters, state=state)
    table.add("guard/out/restarting", nothing_leaves_while_restarting)
    table.add("guard/out/coming-up", nothing_leaves_while_coming_up)
    table.add("guard/lifted-by-hand", lifted)
    table.add("guard/shown", shown)
    table.add("guard/set-twice", set_twice)
    table.add("guard/everything-remote", everything_remote)
    table.add("guard/bypass-stays-open", bypass_stays_open)
    table.add("guard/discarded-behind", discarded_behind)
    table.add("guard/bypassed-port", bypassed_port)
    table.add("guard/beside-networkd", beside_networkd)
    table.add("guard/discarded-by-default", discarded_by_default)
    for value in (1, 2):
        for place in ("all", "each"):
            for policy in ("default", "discard", "protect"):
                table.add(f"guard/sources-filtered/{policy}, {place}={value}", sources_filtered,
                          value=value, place=place, policy=policy)


# The states of the daemon in which the guard must hold.

def without_association(lab):
    lab.left.apply(BOTH, RIGHT)


def with_association(lab):
    lab.left.apply(BOTH, RIGHT)
    lab.right.apply(BOTH, LEFT)
    lab.left.initiate()


def stopped(lab):
    with_association(lab)
    lab.left.stop()


def killed(lab):
    with_association(lab)
    lab.left.kill()


def broken_configuration(lab):
    with_association(lab)
    lab.left.stop()
    with open(lab.left.file, "a") as file:
        file.write("nonsense: [\n")
    lab.left.start(wait=False)
    lab.left.process.process.wait(5)
    expect(lab.left.process.process.returncode != 0, "a broken configuration was accepted")


def missing_configuration(lab):
    """The guard is that of the last valid configuration."""
    with_association(lab)
    lab.left.stop()
    lab.left.guard("lift")
    os.remove(lab.left.file)
    lab.left.start(wait=False)
    lab.left.process.process.wait(5)
    expect(lab.left.process.process.returncode != 0, "a gateway runs without configuration")


def missing_secret(lab):
    lab.left.write(BOTH, RIGHT)
    with open(lab.left.file) as file:
        text = file.read()
    with open(lab.left.file, "w") as file:
        file.write(re.sub("secret-file: .*", "secret-file: /nowhere/secret", text))
    lab.left.start(wait=False)
    lab.left.process.process.wait(5)
    expect(lab.left.process.process.returncode != 0, "a gateway runs without its secret")


def rules_flushed(lab):
    """A firewall that loads its rules anew takes ours with them; the gateway puts them back."""
    with_association(lab)
    lab.network.left.run("nft", "flush", "ruleset")
    wait_until(lambda: "cygnet_guard" in lab.network.left.run("nft", "list", "tables"),
               "the guard is put back", 15)


def before_the_daemon(lab):
    lab.left.write(BOTH, RIGHT)
    lab.left.guard("set")


STATES = {
    "no-association": without_association,
    "established": with_association,
    "stopped": stopped,
    "killed": killed,
    "broken-configuration": broken_configuration,
    "missing-configuration": missing_configuration,
    "missing-secret": missing_secret,
    "rules-flushed": rules_flushed,
    "before-the-daemon": before_the_daemon,
}


class Sending:
    """Datagrams to the protected network every few milliseconds: from the gateway itself, bound and
    not bound to an inner address, and forwarded from an inner host; and errors of a router inside
    about packets from there, which show those packets' headers (RFC 4301 §6.2)."""

    def __init__(self, lab, versions=(4, 6)):
        left = lab.network.left
        inside = lab.inside()
        self.sockets = []
        for version in versions:
            target = (RIGHT.inner[version], PORT)
            came = udp_packet(RIGHT.inner[version], INSIDE[version], PORT, PORT, b"secret")
            error = icmp_error(INNER_ROUTER[version], RIGHT.inner[version], came)
            self.sockets += [
                (left.udp(LEFT.inner[version]), target, b"secret"),
                (left.udp("::" if version == 6 else "0.0.0.0"), target, b"secret"),
                (inside.udp(INSIDE[version]), target, b"secret"),
                (raw_sender(inside, version), (RIGHT.inner[version], 0), error)]
        self.running = True
        self.sent = 0
        self.thread = threading.Thread(target=self.send)
        self.thread.start()

    def send(self):
        while self.running:
            for sender, target, octets in self.sockets:
                with contextlib.suppress(OSError):
                    sender.sendto(octets, target)
                self.sent += 1
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        for sender, _, _ in self.sockets:
            sender.close()


def leaked(capture):
    """Frames that a stranger could read and that a policy covers."""
    inner = tuple(LEFT.inner.values()) + tuple(RIGHT.inner.values()) + tuple(INSIDE.values())
    return [frame for frame in capture.frames
            if frame.is_outgoing and frame.kind in ("clear", "fragment", "icmp-error")
            and (frame.source in inner or frame.target in inner)]


def expect_none_leaked(capture):
    capture.stop()
    found = leaked(capture)
    expect(not found, f"left in clear: {len(found)} packets such as {found[:3]}")


def nothing_leaves(lab, state):
    lab.inside()
    with Capture(lab.network.left, "wan") as capture:
        STATES[state](lab)
        with Sending(lab) as sending:
            time.sleep(0.4)
        expect(sending.sent > 50, "the test sent nothing")
    expect_none_leaked(capture)


def arrivals(lab, count=5):
    """Sends clear datagrams from outside that claim to come from the protected network; returns
    what reached (a socket on the gateway, a host inside), of both IP versions."""
    inside = lab.inside()
    reached = []
    with contextlib.ExitStack() as stack:
        wire = stack.enter_context(Wire(lab.network))
        receivers = []
        for version in (4, 6):
            for namespace, address in ((lab.network.left, LEFT.inner[version]),
                                       (inside, INSIDE[version])):
                receiver = stack.enter_context(namespace.udp(address, PORT))
                receiver.settimeout(0.15)
                receivers.append((receiver, address, version))
        for _ in range(count):
            for _, address, version in receivers:
                wire.send(udp_packet(RIGHT.inner[version], address, 1234, PORT, b"forged"))
        for receiver, address, _ in receivers:
            with contextlib.suppress(TimeoutError):
                receiver.recv(100)
                reached.append(address)
    return reached


def nothing_enters(lab, state):
    lab.inside()
    STATES[state](lab)
    reached = arrivals(lab)
    expect(not reached, f"a clear packet from outside reached {reached}")


def nothing_leaves_while_restarting(lab):
    with_association(lab)
    with Capture(lab.network.left, "wan") as capture, Sending(lab):
        lab.left.kill()
        time.sleep(0.1)
        lab.left.start()
        time.sleep(0.1)
        lab.left.stop()
        lab.left.start()
    expect_none_leaked(capture)


def nothing_leaves_while_coming_up(lab):
    """From the first process to the established tunnel, with traffic from the beginning."""
    lab.right.apply(BOTH, LEFT)
    lab.left.write(BOTH.but(start="traffic"), RIGHT)
    lab.left.guard("set")
    with Capture(lab.network.left, "wan") as capture, Sending(lab):
        lab.left.start()
        wait_until(lab.left.established, "traffic brings the tunnel up")
        time.sleep(0.2)
    expect_none_leaked(capture)


def lifted(lab):
    """After `guard lift` packets do pass: that is what it is for, and it shows that the other
    cases would have seen them."""
    stopped(lab)
    lab.left.guard("lift")
    with Capture(lab.network.left, "wan") as capture, Sending(lab):
        time.sleep(0.2)
    for kind in ("clear", "icmp-error"):
        expect(any(frame.kind == kind for frame in leaked(capture)),
               f"nothing {kind} left although the guard is lifted")
    reached = arrivals(lab)
    expect(len(reached) == 4, f"only {reached} were reached although the guard is lifted")


def shown(lab):
    """`guard show` says by its status whether the guard is set, and names what it covers."""
    lab.left.write(BOTH, RIGHT)
    show = lab.network.left.command(lab.left.program, "guard", "show")
    expect(status_of(*show)[0] != 0, "a guard is shown before it is set")
    lab.left.guard("set")
    status, text = status_of(*show)
    expect(status == 0, f"the guard is set and not shown: {text}")
    expect(RIGHT.networks[4].split("/")[0] in text, f"no selector is named: {text}")
    lab.left.guard("lift")
    expect(status_of(*show)[0] != 0, "a guard is shown after it is lifted")


def set_twice(lab):
    """Setting it again, and starting over it, changes nothing and fails nowhere."""
    lab.left.write(BOTH, RIGHT)
    lab.left.guard("set")
    first = (lab.network.left.ip("rule"), lab.network.left.run("nft", "list", "ruleset"))
    lab.left.guard("set")
    second = (lab.network.left.ip("rule"), lab.network.left.run("nft", "list", "ruleset"))
    expect(first == second, f"set twice is not set once:\n{first}\n{second}")
    lab.left.start()


def everything_remote(lab):
    """With 0.0.0.0/0 as remote network: IKE goes out, nothing else does."""
    lab.left.apply(Tunnel(right_networks=("0.0.0.0/0",)), RIGHT)
    lab.left.kill()
    with Capture(lab.network.left, "wan") as capture, Sending(lab, versions=(4,)):
        with lab.network.left.udp(LEFT.inner[4]) as stray:
            for _ in range(5):
                with contextlib.suppress(OSError):
                    stray.sendto(b"secret", ("203.0.113.77", PORT))
        time.sleep(0.2)
    expect_none_leaked(capture)


def bypass_stays_open(lab):
    """What a bypass policy names still passes, and so does what no policy covers."""
    tunnel = Tunnel(right_networks=("198.51.100.0/24",), left_networks=("192.0.2.0/24",))
    lab.left.apply(tunnel, RIGHT, top=[
        "policies:", "  - bypass: {remote: 198.51.100.254}", "  - protect: peer/net"])
    expect_ping(lab.network.left, LEFT.outer[4], "198.51.100.254")
    expect_ping(lab.network.left, LEFT.outer[6], "2001:db8:2::fe")
    status, _ = status_of(*lab.network.left.command(
        "ping", "-c", "1", "-W", "0.3", "-I", LEFT.outer[4], "198.51.100.2"))
    expect(status != 0, "a protected address answered without a tunnel")


def discarded_behind(lab):
    """What a policy discards of a wide range of networks is not what a policy before it protects,
    although both ends of that lie in the range."""
    inside, left = lab.inside(), lab.network.left
    lab.left.apply(BOTH, RIGHT, top=["policies:", "  - protect: peer/net",
                                     "  - discard: {remote: [10.0.0.0/8, 'fd00::/8']}"])
    lab.right.apply(BOTH, LEFT)
    lab.left.initiate()
    for version in (4, 6):
        expect_ping(inside, INSIDE[version], RIGHT.inner[version])
        expect_ping(lab.network.right, RIGHT.inner[version], INSIDE[version])
        expect_ping(left, LEFT.inner[version], RIGHT.inner[version])
    expect(not arrivals(lab), "a clear packet from outside came in")
    with Capture(left, "wan") as capture:
        for space, source in ((inside, INSIDE[4]), (left, LEFT.inner[4])):
            answered = ping(space, source, "10.77.0.1", count=1, wait=0.3)
            expect(answered == 0, f"{source} reaches what is discarded")
    expect_none_leaked(capture)


def bypassed_port(lab):
    """A bypass for a port of other machines, where everything else is discarded, opens no port of this
    one."""
    left, router = lab.network.left, lab.network.router
    lab.left.apply(BOTH, RIGHT, gateway=["default-policy: discard"], top=[
        "policies:", "  - bypass: {protocol: udp, remote-port: 7007}", "  - protect: peer/net"])
    for version in (4, 6):
        near, far = LEFT.outer[version], ROUTER_LEFT[version]
        with left.udp(near, 7007) as own, router.udp(far, 7007) as other:
            own.settimeout(0.3)
            other.settimeout(2)
            with router.udp(far, 7008) as stranger:
                stranger.sendto(b"open?", (near, 7007))
            try:
                raise Failure(f"a port of the gateway is open: {own.recv(100)}")
            except TimeoutError:
                pass
            with left.udp(near, 7009) as client:
                client.settimeout(2)
                client.sendto(b"question", (far, 7007))
                _, address = other.recvfrom(100)
                other.sendto(b"answer", address)
                expect(client.recv(100) == b"answer", "what is bypassed is not answered")


def discarded_by_default(lab):
    """With `default-policy: discard`, a host behind the gateway has its tunnel and nothing else."""
    inside = lab.inside()
    lab.left.apply(BOTH, RIGHT, gateway=["default-policy: discard"])
    lab.right.apply(BOTH, LEFT)
    lab.left.initiate()
    for version in (4, 6):
        expect_ping(inside, INSIDE[version], RIGHT.inner[version])
        expect_ping(lab.network.right, RIGHT.inner[version], INSIDE[version])
        expect_ping(lab.network.left, LEFT.inner[version], RIGHT.inner[version])
        beyond = ROUTER_RIGHT[version]
        for space, source in ((inside, INSIDE), (lab.network.left, LEFT.outer)):
            answered = ping(space, source[version], beyond, count=1, wait=0.3)
            expect(answered == 0, f"{source[version]} reaches {beyond}, which no policy covers")


@contextlib.contextmanager
def filter_of_sources(namespace, value, place):
    """For the time of the block the kernel's filter is on for all interfaces, or for each one."""
    with namespace.entered():
        found = os.listdir("/proc/sys/net/ipv4/conf")
    names = ["all"] if place == "all" else [name for name in found if name not in ("all", "lo")]
    namespace.sysctl(**{f"net.ipv4.conf.{name}.rp_filter": value for name in names})
    try:
        yield
    finally:
        namespace.sysctl(**{f"net.ipv4.conf.{name}.rp_filter": 0 for name in names})


SOURCES_FILTERED = {
    "default": (["default-policy: discard"], []),
    "discard": ([], ["  - protect: peer/net", "  - discard: {}"]),
    "protect": ([], []),
}


def sources_filtered(lab, value, place, policy):
    """Where the kernel looks up the way back of what arrives, IKE, ESP and what a policy lets pass
    arrive, and what is discarded stays out."""
    inside, left, router = lab.inside(), lab.network.left, lab.network.router
    gateway, policies = SOURCES_FILTERED[policy]
    own = f"local: ['{LEFT.outer[4]}', '{LEFT.outer[6]}', '{INSIDE[4]}', '{INSIDE[6]}']"
    others = f"remote: ['{ROUTER_RIGHT[4]}', '{ROUTER_RIGHT[6]}']"
    # Answers to pings have other types, and those of neighbours on the way others still.
    top = ["policies:", f"  - bypass: {{{own}, {others}}}", *policies]
    for encapsulation in ("udp", "esp"):
        tunnel = BOTH.but(encapsulation=encapsulation)
        with filter_of_sources(left, value, place):
            lab.left.apply(tunnel, RIGHT, gateway=gateway, top=top)
            lab.right.apply(tunnel, LEFT)
            lab.left.initiate()
            for version in (4, 6):
                expect_ping(inside, INSIDE[version], RIGHT.inner[version])
                expect_ping(lab.network.right, RIGHT.inner[version], INSIDE[version])
                expect_ping(left, LEFT.inner[version], RIGHT.inner[version])
                expect_ping(lab.network.right, RIGHT.inner[version], LEFT.inner[version])
                for space, source in ((inside, INSIDE), (left, LEFT.outer)):
                    expect_ping(space, source[version], ROUTER_RIGHT[version])
                    expect_ping(router, ROUTER_RIGHT[version], source[version])
                    beyond = ROUTER_LEFT[version]
                    passes = policy == "protect"
                    for one, other, where in ((source[version], beyond, space),
                                              (beyond, source[version], router)):
                        answered = ping(where, one, other, count=1, wait=5 if passes else 0.3)
                        expect((answered == 1) == passes, f"{one} to {other}: {answered} answers")
            lab.left.delete_ike()
            wait_until(lambda: not lab.left.connection().get("ikeSA"), "the end of the IKE SA")
            lab.left.stop()
            lab.left.lift_guard()
    expect_forwarded_discarded(lab, passes)


def expect_forwarded_discarded(lab, passes):
    """Somebody flushes nftables while no gateway runs: rules hold what is on its way through."""
    inside, left = lab.inside(), lab.network.left
    lab.left.guard("set")
    left.run("nft", "flush", "ruleset")
    for version in (4, 6):
        answered = ping(inside, INSIDE[version], ROUTER_LEFT[version], count=1,
                        wait=5 if passes else 0.3)
        expect((answered == 1) == passes, f"{answered} answers without nftables")


NETWORKD = "/lib/systemd/systemd-networkd"
DROP_IN = os.path.join(ROOT, "packaging/systemd/networkd.conf.d/50-cygnet.conf")
# A networkd of the namespace's own, for five seconds, in which it sets up a link of its own. It takes
# links as they come where /sys is read-only, and waits for udev elsewhere.
BESIDE = """
mount --make-rprivate / && mount -t tmpfs none /run && mount -o remount,bind,ro /sys || exit 9
cd /run && mkdir -p systemd/network systemd/netif/links systemd/netif/leases systemd/networkd.conf.d
printf '[Match]\\nName=nd1\\n[Network]\\nAddress=10.88.0.1/24\\n' > systemd/network/10.network
[ -z "$1" ] || cp "$1" systemd/networkd.conf.d/
chmod -R a+rX /run && chown -R systemd-network:systemd-network systemd/netif
SYSTEMD_LOG_LEVEL=debug timeout 5 $0 2>&1 & sleep 2
ip link add nd0 type veth peer name nd1
wait; ip link delete nd0
"""


def beside_networkd(lab):
    """systemd-networkd takes rules and routes away that are not its own; told by the file that comes
    with the units it leaves them alone, and makes nothing of any line of it that it does not know."""
    if not os.access(NETWORKD, os.X_OK):
        raise Skip("there is no systemd-networkd")
    lab.left.write(BOTH, RIGHT)

    def held(*told):
        lab.left.guard("set")
        before = lab.network.left.run("ip", "rule") + lab.network.left.run("ip", "-6", "rule")
        expect(LEFT.networks[4] in before or RIGHT.networks[4] in before, f"no rules: {before}")
        text = lab.network.left.run("unshare", "-m", "sh", "-c", BESIDE, NETWORKD, *told)
        expect("nd1: Configuring with" in text, f"networkd says: {text[-1500:]}")
        expect("50-cygnet.conf" not in text, f"networkd says: {text[-1500:]}")
        after = lab.network.left.run("ip", "rule") + lab.network.left.run("ip", "-6", "rule")
        return before == after

    expect(not held(), "networkd takes nothing away even where it is not told")
    expect(held(DROP_IN), "networkd has taken rules away")
