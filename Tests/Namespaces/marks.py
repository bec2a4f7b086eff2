"""Traffic classes by firewall mark: which packets are of which, as the class's counters tell."""

import contextlib
import socket
import time

from Tests.Lab.network import INSIDE, LEFT, RIGHT
from Tests.Lab.processes import expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.routing import CLOUD, cloud
from Tests.Namespaces.routing import tunnel as by_route
from Tests.Namespaces.shaping import RATE, Flood, calls
from Tests.Namespaces.workers import two_gateways

VOICE, BULK, ODD = 0x10, 0x2f, 0x11
RATE_LINE = f"rate: {RATE // 1_000_000}Mbit"
# Not one of them can be told by what stands in the packet.
MARKED = (f"traffic: {{{RATE_LINE}, classes: {{"
          "voice: {match: {mark: 0x10}, priority: 1, queue: 50ms}, "
          "bulk: {match: {mark: '0x20/0xf0'}}, other: {weight: 3}}}",)
PORT = 7300
SO_MARK = 36


def register(table):
    tunnel = Tunnel(start="boot")
    for workers in (1, 2):
        table.add(f"shaping/marks/of-{workers}", counted, tunnel=tunnel, workers=workers)
        table.add(f"shaping/marks/priority-of-{workers}", priority, tunnel=tunnel, workers=workers)
    table.add("shaping/marks/ipv6", counted, tunnel=tunnel.but(inner=(6,)), workers=2,
              version=6)
    table.add("shaping/marks/reload", reload, tunnel=tunnel)
    table.add("shaping/marks/first-by-reload", first_by_reload, tunnel=tunnel)
    table.add("shaping/marks/held", held, tunnel=Tunnel(start="traffic"))
    table.add("shaping/marks/capabilities", capabilities, tunnel=tunnel)
    table.add("shaping/marks/routed", routed)
    table.add("shaping/marks/made-before", made_before)


def counts(gateway):
    """Packets of each class so far, those that wait and those that were dropped included."""
    result = {}
    for owner in gateway.status()["traffic"]:
        for each in owner["classes"]:
            lost = sum(drop["packets"] for drop in each.get("drops", []))
            result[each["name"]] = (result.get(each["name"], 0) + each["sent"]["packets"]
                                    + each["waiting"]["packets"] + lost)
    return result


def send(namespace, source, target, marks, each=1):
    """Datagrams of flows that differ in nothing but their source ports, one flow for each mark."""
    for mark in marks:
        with namespace.udp(source) as sender:
            if mark:
                sender.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
            for _ in range(each):
                sender.sendto(bytes(200), (target, PORT))
                time.sleep(0.001)


# Of what the kernel itself sends along an interface, without marks: multicast reports and the like.
OF_THE_KERNEL = 8


def expect_counts(gateway, before, **wanted):
    """The classes have had exactly so many more packets, that for the rest a few besides."""
    def more():
        return {name: number - before.get(name, 0) for name, number in counts(gateway).items()}

    rest = {"other" if "other" in wanted else "default": 0}

    def fits():
        found = more()
        extra = sum(found.get(name, 0) - wanted.get(name, 0) for name in rest)
        return 0 <= extra <= OF_THE_KERNEL and found | rest == wanted | rest

    with contextlib.suppress(Exception):
        wait_until(fits, "the counters", seconds=2)
    expect(fits(), f"{more()} instead of {wanted}")


@contextlib.contextmanager
def up(lab, tunnel, lines=MARKED, workers=1):
    with two_gateways(lab, tunnel, lines=lines, workers=workers):
        wait_until(lambda: lab.left.established(), "the tunnel")
        yield lab.left


@contextlib.contextmanager
def marking(namespace, hook, *rules):
    """Rules of a firewall that gives marks."""
    table = "table inet marking"
    words = [f"add {table}", f"add chain inet marking {hook} {{ type filter hook {hook} priority "
             "mangle; }", *(f"add rule inet marking {hook} {rule}" for rule in rules)]
    namespace.run("nft", "; ".join(words))
    try:
        yield
    finally:
        namespace.run("nft", f"delete {table}", check=False)


def counted(lab, tunnel, workers, version=4):
    """Marks of sockets, and of the firewall on what is forwarded; each packet counts where it ought."""
    host = lab.inside()
    with up(lab, tunnel, workers=workers) as gateway:
        before = counts(gateway)
        # Several flows of each, so that all workers read some; bits beside a mask's do not count.
        send(lab.network.left, LEFT.inner[version], RIGHT.inner[version],
             [VOICE, BULK, 0x20, ODD, 0, 0x40_20 | 0xf, 0x8000] * 5, each=7)
        expect_counts(gateway, before, voice=35, bulk=105, other=105)
        for hook, port in (("prerouting", 7301), ("forward", 7302)):
            before = counts(gateway)
            rules = [f"udp dport {port} udp length 108 meta mark set {VOICE}",
                     f"udp dport {port} udp length 208 meta mark set {BULK}"]
            with marking(lab.network.left, hook, *rules):
                for octets, flows in ((100, 4), (200, 6), (300, 5)):
                    for _ in range(flows):
                        with host.udp(INSIDE[version]) as sender:
                            for _ in range(5):
                                sender.sendto(bytes(octets), (RIGHT.inner[version], port))
                expect_counts(gateway, before, voice=20, bulk=30, other=25)


def priority(lab, tunnel, workers):
    """A call keeps its delay beside a flood; mark alone tells the two apart."""
    with up(lab, tunnel, workers=workers) as gateway:
        with Flood(lab, 0, 2 * RATE, 7303, mark=BULK):
            time.sleep(0.5)
            before = counts(gateway)["voice"]
            trips = calls(lab, 100, dscp=0, mark=VOICE)
        expect(len(trips) == 100, f"{100 - len(trips)} datagrams of the call were lost")
        expect(counts(gateway)["voice"] - before == 100, "the class has other packets too")
        classes = {each["name"]: each for each in gateway.status()["traffic"][0]["classes"]}
        expect("drops" not in classes["voice"], f"the call lost something: {classes['voice']}")
        expect(classes["bulk"].get("drops"), f"the flood lost nothing: {classes['bulk']}")
        expect(trips[50] < 0.02, f"the call's round trips: {trips[50]:.4f} s and {trips[-2]:.4f} s")
        expect(classes["bulk"]["longestDelaySeconds"] > 0.03, f"it did not wait: {classes['bulk']}")


def reload(lab, tunnel):
    """Marks change places, come and go while the gateway runs, and no packet is lost by it."""
    def classes(text):
        return (f"traffic: {{{RATE_LINE}, classes: {{{text}}}}}",)
    with up(lab, tunnel) as gateway:
        spi = gateway.established()[0]["inboundSPI"]
        for text, voice, bulk, other in (
                ("voice: {match: {mark: 0x2f}}, bulk: {match: {mark: 0x10}}, other: {}", 2, 1, 3),
                ("voice: {match: {mark: [0x11, 0x10]}}, bulk: {match: {mark: [0x20/0xf0, 0x8000]}}, "
                 "other: {}", 2, 3, 1),
                ("voice: {match: {mark: 0x8000}}, bulk: {match: {mark: 0x4000}}, other: {}", 1, 0, 5),
                ("voice: {match: {dscp: ef}}, bulk: {match: {dscp: cs1}}, other: {}", 0, 0, 6),
                ("voice: {match: {mark: 0x10}}, bulk: {match: {mark: 0x20/0xf0}}, other: {}", 1, 2, 3)):
            gateway.reload(tunnel, RIGHT, tunnel=classes(text))
            before = counts(gateway)
            send(lab.network.left, LEFT.inner[4], RIGHT.inner[4],
                 [VOICE, BULK, ODD, 0, 0x8000, BULK], each=4)
            expect_counts(gateway, before, voice=4 * voice, bulk=4 * bulk, other=4 * other)
        expect(gateway.established()[0]["inboundSPI"] == spi, "the tunnel began anew")


def first_by_reload(lab, tunnel):
    """The first mark of all needs a restart: the reload says so, and changes nothing."""
    lines = (f"traffic: {{{RATE_LINE}, classes: {{voice: {{match: {{dscp: ef}}}}}}}}",)
    with up(lab, tunnel, lines=lines) as gateway:
        gateway.write(tunnel, RIGHT, tunnel=MARKED)
        status, text = status_of(*gateway._command("reload"))
        expect(status != 0 and "whether traffic classes ask for a mark cannot change" in text
               and "restart the gateway" in text, f"status {status}: {text}")
        expect(set(counts(gateway)) == {"voice", "default"}, f"changed: {counts(gateway)}")
        before = counts(gateway)
        send(lab.network.left, LEFT.inner[4], RIGHT.inner[4], [VOICE], each=3)
        expect_counts(gateway, before, voice=0, default=3)
        gateway.stop()
        gateway.start()
        wait_until(lambda: gateway.established(), "the tunnel")
        before = counts(gateway)
        send(lab.network.left, LEFT.inner[4], RIGHT.inner[4], [VOICE], each=3)
        expect_counts(gateway, before, voice=3, bulk=0, other=0)


def held(lab, tunnel):
    """What brought the tunnel up is of its mark's class."""
    with two_gateways(lab, tunnel, lines=MARKED, workers=2):
        send(lab.network.left, LEFT.inner[4], RIGHT.inner[4], [VOICE, BULK, 0, BULK])
        wait_until(lambda: lab.left.established(), "the tunnel")
        expect_counts(lab.left, {}, voice=1, bulk=2, other=1)


def capabilities(lab, tunnel):
    """The kernel wants one capability more for it; where it is missing the gateway says so."""
    with open("/proc/sys/kernel/unprivileged_bpf_disabled") as file:
        if file.read().strip() == "0":
            return
    lab.right.apply(tunnel, LEFT)
    few = "net_admin", "net_raw", "net_bind_service"

    def prefix(names):
        words = ",".join(f"+{name}" for name in names)
        return "setpriv", f"--bounding-set=-all,{words}", f"--inh-caps=-all,{words}"
    lab.left.write(tunnel, RIGHT, tunnel=MARKED)
    lab.left.start(wait=False, prefix=prefix(few))
    wait_until(lambda: not lab.left.process.is_running(), "it gives up")
    log = lab.left.read_log()
    expect("for traffic classes by mark" in log and "CAP_BPF" in log, log[-500:])
    lab.left.start(prefix=prefix((*few, "bpf")))
    wait_until(lambda: lab.left.established(), "the tunnel")
    with open(f"/proc/{lab.left.process.pid}/status") as file:
        held = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    expect(int(held["CapPrm"].strip(), 16) >> 39 == 0, "it keeps CAP_BPF")
    before = counts(lab.left)
    send(lab.network.left, LEFT.inner[4], RIGHT.inner[4], [VOICE, BULK, 0], each=4)
    expect_counts(lab.left, before, voice=4, bulk=4, other=4)


def expect_routed(made, voice=15, other=30):
    for name in ("voice", "bulk", "other"):
        wait_until(lambda: name in counts(made.left), "its classes")
    before = counts(made.left)
    send(made.left.namespace, LEFT.inner[4], CLOUD[4], [VOICE, BULK, 0, ODD] * 3, each=5)
    expect_counts(made.left, before, voice=voice, bulk=15, other=other)


def routed(lab):
    """Interfaces of tunnels have such queues too, those that a reload brings included."""
    only = ("local: 0.0.0.0/0", "remote: 0.0.0.0/0")
    with cloud(lab) as made:
        # The guard makes the interface first, as at boot.
        made.write({"all": by_route(1, *MARKED, *only)}, top=("  workers: 2",))
        made.left.guard("set")
        made.start_peer(1)
        made.start_peer(2)
        made.left.start()
        wait_until(lambda: made.children("way1"), "the first is up")
        made.route(1)
        expect_routed(made)
        # One mark more: the interface gets queues for it.
        more = MARKED[0].replace("mark: 0x10}", "mark: [0x10, 0x11]}")
        made.write({"all": by_route(1, more, *only)}, top=("  workers: 2",))
        status, report = made.reload()
        expect(status == 0, f"not changed: {report}")
        expect_routed(made, voice=30, other=15)
        made.write(None, {"all": by_route(2, *MARKED, *only)}, top=("  workers: 2",))
        status, report = made.reload()
        expect(status == 0, f"not changed: {report}")
        wait_until(lambda: made.children("way2"), "the second is up")
        made.route(2)
        expect_routed(made)


def made_before(lab):
    """An interface that was made for no marks, and kept, is not touched: the gateway says what to do."""
    with cloud(lab) as made:
        made.start_peer(1)
        made.write({"all": by_route(1)}, top=("  workers: 1",))
        made.left.start()
        wait_until(lambda: made.children("way1"), "it is up")
        made.left.stop()
        made.write({"all": by_route(1, *MARKED)}, top=("  workers: 1",))
        made.left.start(wait=False)
        wait_until(lambda: not made.left.process.is_running(), "it gives up")
        log = made.left.read_log()
        expect("ip link delete swan1" in log, log[-500:])
        made.left.namespace.ip("link", "delete", "swan1")
        made.left.start()
        wait_until(lambda: made.children("way1"), "it is up")
        made.route(1)
        expect_routed(made)
        # And without marks again, which leaves nothing of the kernel's program.
        made.left.stop()
        made.write({"all": by_route(1)}, top=("  workers: 2",))
        made.left.start()
        wait_until(lambda: made.children("way1"), "it is up")
        made.route(1)
        made.ping_cloud()
