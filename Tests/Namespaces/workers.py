"""Several workers: the same packets as by one, whoever reads them, while keys are replaced."""

import contextlib
import json
import os
import socket
import struct
import threading
import time

from Tests.Lab.capture import Capture
from Tests.Lab.cygnet import Cygnet
from Tests.Lab.echo import expect_ping
from Tests.Lab.frames import Wire, udp_packet
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.carriages import transfer

# Each the UDP port of one tunnel's far end.
PORTS = (7101, 7102, 7103, 7104)
FLOWS = 8
WORKERS = 2
# What those leave to the first tunnel.
REST = {site: tuple(f"{site.networks[4]}[{word}]" for word in ("tcp", "icmp"))
        for site in (LEFT, RIGHT)}


def register(table):
    for version, encapsulation in ((4, "udp"), (4, "esp"), (6, "udp"), (6, "esp")):
        tunnel = Tunnel(outer=version, encapsulation=encapsulation, start="boot",
                        child_rekey_seconds=5, left_networks=REST[LEFT],
                        right_networks=REST[RIGHT])
        name = f"workers/{encapsulation}-ipv{version}"
        table.add(f"{name}/rekeying", rekeying, tunnel=tunnel)
    for encapsulation in ("udp", "esp"):
        tunnel = Tunnel(encapsulation=encapsulation, start="boot")
        rest = tunnel.but(left_networks=REST[LEFT], right_networks=REST[RIGHT])
        table.add(f"workers/{encapsulation}/replayed", replayed, tunnel=rest)
        table.add(f"workers/{encapsulation}/resources", resources, tunnel=tunnel)
    for lines in (("mode: transport",), ("mode: transport", "ah-proposals: sha256")):
        tunnel = Tunnel(encapsulation="auto", start="traffic", left_networks=(LEFT.outer[4],),
                        right_networks=(RIGHT.outer[4],))
        kind = "ah" if len(lines) > 1 else "esp"
        table.add(f"workers/{kind}-transport", transport,
                  tunnel=tunnel.but(esp=None) if kind == "ah" else tunnel, lines=lines)
    for workers in (1, 2):
        for name, suite in (("gcm", None), ("cbc", "aes128-sha256")):
            table.add(f"workers/spread/{name}-of-{workers}", spread, workers=workers,
                      tunnel=Tunnel(start="boot", **({"esp": suite} if suite else {})))
    table.add("workers/routed", routed)
    table.add("workers/guard-first", guard_first)
    table.add("workers/pinned", pinned)


@contextlib.contextmanager
def two_gateways(lab, tunnel, lines=(), tunnels=None, workers=WORKERS, gateway=()):
    """Cygnet with several workers at both ends; the usual peer waits until the block ends."""
    lab.right.stop()
    other = Cygnet(lab.network.right, RIGHT, os.path.join(lab.folder, "right-gateway"))
    gateway = (f"workers: {workers}", *gateway)
    try:
        for end, site in ((other, LEFT), (lab.left, RIGHT)):
            further = {name: sides[end.site.name] for name, sides in (tunnels or {}).items()}
            end.apply(tunnel, site, tunnel=lines, tunnels=further, gateway=gateway)
        yield other
    finally:
        other.kill()
        other.lift_guard()
        lab.right.start()


def by_port(port):
    """A further tunnel for datagrams to one port of the right, and their answers."""
    left, right = (f"'{site.networks[4]}[udp]'" for site in (LEFT, RIGHT))
    far = f"'{RIGHT.networks[4]}[udp/{port}]'"
    common = ["start: at-boot", "lifetime: 5s"]
    return {"left": [f"local: {left}", f"remote: {far}", *common],
            "right": [f"local: {far}", f"remote: {left}", *common]}


class Echo:
    """Numbered datagrams of many flows to each port, and their answers; each is to come once."""

    def __init__(self, lab, rate=1500):
        self.interval = 1 / rate
        self.servers = [lab.network.right.udp(RIGHT.inner[4], port) for port in PORTS]
        self.senders = [[lab.network.left.udp(LEFT.inner[4]) for _ in range(FLOWS)] for _ in PORTS]
        self.sent, self.arrived, self.answered = [], [], []
        self.running = True
        for each in self.sockets():
            each.settimeout(0.2)
            each.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
        self.threads = [threading.Thread(target=self._serve, args=(each,)) for each in self.servers]
        self.threads += [threading.Thread(target=self._collect, args=(each,))
                         for flows in self.senders for each in flows]
        for thread in self.threads:
            thread.start()

    def sockets(self):
        return self.servers + [each for flows in self.senders for each in flows]

    def _serve(self, server):
        while self.running:
            with contextlib.suppress(TimeoutError):
                data, address = server.recvfrom(2048)
                self.arrived.append(data[:4])
                server.sendto(data, address)

    def _collect(self, sender):
        while self.running:
            with contextlib.suppress(TimeoutError):
                self.answered.append(sender.recv(2048)[:4])

    def send(self, seconds):
        end = time.monotonic() + seconds
        due = time.monotonic()
        while time.monotonic() < end:
            number = len(self.sent)
            place = number % len(PORTS)
            name = struct.pack("!I", number)
            self.senders[place][number // len(PORTS) % FLOWS].sendto(
                name + bytes(number % 900), (RIGHT.inner[4], PORTS[place]))
            self.sent.append(name)
            due += self.interval
            time.sleep(max(0, due - time.monotonic()))

    def finish(self):
        time.sleep(1)
        self.running = False
        for thread in self.threads:
            thread.join()
        for each in self.sockets():
            each.close()


def workers_of(gateway):
    return gateway.status()["workers"]


def expect_shared(*gateways):
    """Every worker has read and received packets."""
    for gateway in gateways:
        workers = workers_of(gateway)
        expect(len(workers) == WORKERS, f"workers: {workers}")
        for worker in workers:
            for what in ("read", "sent", "received", "written"):
                expect(worker[what]["packets"] > 0, f"a worker has {what} nothing: {workers}")


# What is sent to a link's groups is nobody's, or waits for no SA, and a keepalive is nothing.
USUAL = ("keepalive", "noPolicy", "policyBypass", "linkHousekeeping")


def expect_nothing_dropped(*gateways, besides=()):
    for gateway in gateways:
        drops = {reason: count for reason, count in gateway.drops().items()
                 if not reason.startswith("ike-") and reason not in (*USUAL, *besides)}
        expect(not drops, f"dropped: {drops}")


def rekeying(lab, tunnel):
    """Five tunnels whose keys live for five seconds, and many flows: all arrives, and once."""
    tunnels = {f"by-port-{port}": by_port(port) for port in PORTS}
    with two_gateways(lab, tunnel, tunnels=tunnels) as other:
        wait_until(lambda: len(lab.left.established()) >= 5, "five tunnels")
        before = {child["inboundSPI"] for child in lab.left.established()}
        echo = Echo(lab)
        try:
            echo.send(14)
            transfer(lab, LEFT.inner[4], RIGHT.inner[4])
        finally:
            echo.finish()
        after = {child["inboundSPI"] for child in lab.left.established()}
        expect(not before & after, "keys were not replaced")
        for what, numbers in (("arrived", echo.arrived), ("were answered", echo.answered)):
            expect(len(numbers) == len(set(numbers)), f"{len(numbers) - len(set(numbers))} doubled")
            missing = set(echo.sent) - set(numbers)
            expect(not missing, f"{len(missing)} of {len(echo.sent)} never {what}")
        expect_shared(lab.left, other)
        expect_nothing_dropped(lab.left, other)


def whole(frame):
    """The IP packet of a frame, with the UDP checksum that the sender left to its device."""
    if frame.kind == "esp":
        return frame.data[14:14 + frame.ip_length]
    return udp_packet(frame.source, frame.target, *frame.ports, frame.payload)


def replayed(lab, tunnel):
    """What was delivered once is not delivered again, by no worker."""
    tunnels = {f"by-port-{port}": {side: lines[:-1] for side, lines in by_port(port).items()}
               for port in PORTS}
    with two_gateways(lab, tunnel, tunnels=tunnels) as other:
        wait_until(lambda: len(lab.left.established()) >= 5, "five tunnels")
        with Capture(lab.network.right, "wan") as capture:
            echo = Echo(lab)
            echo.send(2)
            echo.finish()
        expect(set(echo.answered) == set(echo.sent), "something was lost")
        kind = "esp" if tunnel.encapsulation == "esp" else "esp-in-udp"
        packets = [whole(frame) for frame in capture.of(kind, outgoing=False)
                   if frame.ip_length <= 1500]
        expect(len(packets) > 1000, f"captured: {capture.counts()}")

        def delivered():
            return sum(child["inbound"]["packets"] for child in other.established())

        before = delivered()
        with Wire(lab.network, "right") as wire:
            for packet in packets:
                wire.send(packet)
        time.sleep(0.3)
        expect(delivered() == before, f"{delivered() - before} replayed packets were delivered")
        dropped = other.drops().get("replayed", 0)
        expect(dropped >= len(packets) * 0.9, f"{dropped} of {len(packets)} counted as replayed")
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def resources(lab, tunnel):
    """RFC 9611: two pairs of SAs of one tunnel, each with a worker of its own."""
    with two_gateways(lab, tunnel, lines=("resources: 2",)) as other:
        wait_until(lambda: len(lab.left.established()) >= 2, "two pairs")

        def used(gateway):
            return [child for child in gateway.established() if child["outbound"]["packets"] > 0]

        # By which pair a connection goes is chance.
        for count in range(40):
            transfer(lab, LEFT.inner[4], RIGHT.inner[4], octets=1 << 20)
            if count >= 5 and len(used(lab.left)) == len(used(other)) == 2:
                break
        for gateway in (lab.left, other):
            for child in gateway.established():
                expect(child["outbound"]["packets"] > 0, f"a pair that sent nothing: {child}")
        expect_shared(lab.left, other)
        expect_nothing_dropped(lab.left, other)


def spread(lab, tunnel, workers):
    """One SA whose packets other threads help to seal and open, while it is replaced: all arrives, and
    nothing so late that the window does not have it any more."""
    with two_gateways(lab, tunnel, lines=("spread: true",), workers=workers,
                      gateway=("cipher-threads: 2",)) as other:
        wait_until(lambda: lab.left.established() and other.established(), "the tunnel")
        before = {child["inboundSPI"] for child in lab.left.established()}
        for _ in range(4):
            transfer(lab, LEFT.inner[4], RIGHT.inner[4], octets=4 << 20)
            status, text = status_of(*lab.left._command("rekey", "peer"))
            expect(status == 0, f"rekey: {text}")
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
        after = {child["inboundSPI"] for child in lab.left.established()}
        expect(after - before, "keys were not replaced")
        for gateway in (lab.left, other):
            helped = sum(worker["helped"] for worker in workers_of(gateway))
            expect(helped > 0, f"nobody helped: {workers_of(gateway)}")
        expect_nothing_dropped(lab.left, other)


def transport(lab, tunnel, lines):
    """What needs sockets of its own for packets with headers."""
    with two_gateways(lab, tunnel, lines=lines) as other:
        left, right = LEFT.outer[4], RIGHT.outer[4]
        expect_ping(lab.network.left, left, right, wait=3)
        transfer(lab, left, right)
        transfer(lab, left, right)
        for gateway in (lab.left, other):
            child = gateway.established()[0]
            expect(child["inbound"]["packets"] > 0 and child["outbound"]["packets"] > 0,
                   f"an SA that carried nothing: {child}")
        expect_nothing_dropped(lab.left, other)


def routed(lab):
    """A route-based tunnel, whose lasting interface had one queue, and has two from then on."""
    tunnel = Tunnel(start="boot")
    interface = {"left": ["interface: swan1", "addresses: 169.254.1.1/30", "start: at-boot"],
                 "right": ["interface: swan1", "addresses: 169.254.1.2/30", "start: at-boot"]}
    for workers in (1, 2, 1):
        with two_gateways(lab, tunnel, tunnels={"routed": interface}, workers=workers) as other:
            wait_until(lambda: len(lab.left.established("routed")) >= 1, "the tunnel")
            for end in (lab.left, other):
                end.namespace.run("ip", "link", "show", "swan1")
            transfer(lab, "169.254.1.1", "169.254.1.2")
            expect_ping(lab.network.right, "169.254.1.2", "169.254.1.1")
            expect(len(workers_of(other)) == workers, f"workers: {workers_of(other)}")
            # The end that starts last hears of the other's SAs with the end before it.
            expect_nothing_dropped(lab.left, other, besides=("unknownSPI",))
        lab.left.stop()


def guard_first(lab):
    """The guard makes the interface at boot, and each worker has its queue of it all the same."""
    tunnel = Tunnel(start="boot")
    lines = ["interface: swan1", "addresses: 169.254.1.1/30"]
    lab.left.write(tunnel, RIGHT, tunnels={"routed": lines}, gateway=(f"workers: {WORKERS}",))
    lab.left.guard("set")
    lab.left.start()
    found = lab.left.namespace.run("ip", "-json", "-details", "link", "show", "swan1")
    kind = json.loads(found)[0]["linkinfo"]["info_data"]
    expect(kind.get("numqueues") == WORKERS, f"the interface is of this kind: {kind}")
    # What keeps a gateway from starting does not keep its guard from holding traffic back.
    lab.left.stop()
    lab.left.namespace.run("ip", "link", "delete", "swan1")
    lab.left.write(tunnel, RIGHT, tunnels={"routed": lines}, gateway=("worker-cpus: 1023",))
    lab.left.guard("set")
    lab.left.namespace.run("ip", "link", "show", "swan1")


def pinned(lab):
    """Workers stay where they are put, and what the machine has not is refused."""
    usable = sorted(os.sched_getaffinity(0))
    last = usable[-1]
    tunnel = Tunnel(start="boot")
    with two_gateways(lab, tunnel, workers=1, gateway=(f"worker-cpus: {last}",)):
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)
        expect(workers_of(lab.left)[0]["processor"] == last, str(workers_of(lab.left)))
        pid = lab.left.process.process.pid
        _, found = status_of("pgrep", "-P", str(pid), "cygnet")
        daemon = int((found.split() or [pid])[0])
        sets = [os.sched_getaffinity(int(task)) for task in os.listdir(f"/proc/{daemon}/task")]
        expect({last} in sets, f"no thread is kept on {last}: {sets}")
    lab.left.stop()
    lab.left.write(tunnel, RIGHT, gateway=("workers: 1", "worker-cpus: 1023"))
    lab.left.start(wait=False)
    wait_until(lambda: not lab.left.process.is_running(), "the refusal")
    expect("worker-cpus" in lab.left.read_log(), f"the log says: {lab.left.read_log()}")
    lab.left.process = None
