"""The demonstration: two sites, two gateways, traffic that brings the tunnel up, and a capture
that shows what the wire carried. Run by scripts/demo."""

import json
import os
import shutil
import signal
import sys
import tempfile
import time

from Tests.Lab.capture import UNPROTECTED, Capture
from Tests.Lab.cygnet import ROOT, executable
from Tests.Lab.echo import ping
from Tests.Lab.namespaces import Namespace
from Tests.Lab.processes import Background, Failure, expect, run, wait_until

EXAMPLE = os.path.join(ROOT, "Examples", "site-to-site")
# What the two example configurations say: outer address, and an inner host of each version.
SITES = {
    "west": {"outer": "192.0.2.1/24", "inner": {4: "10.1.0.1", 6: "fd00:1::1"}},
    "east": {"outer": "192.0.2.2/24", "inner": {4: "10.2.0.1", 6: "fd00:2::1"}},
}
TRANSFER_SECONDS = 3


class Gateway:
    """One site: its namespace, and the daemon in it with a /run and a /var/lib of its own."""

    def __init__(self, name, folder):
        self.name = name
        self.inner = SITES[name]["inner"]
        self.namespace = Namespace(f"cygnet{os.getpid()}-{name}")
        self.folder = folder
        self.process = None

    def address(self, device):
        self.namespace.ip("link", "set", device, "up")
        self.namespace.ip("addr", "add", SITES[self.name]["outer"], "dev", device)
        self.namespace.ip("addr", "add", f"{self.inner[4]}/16", "dev", "lo")
        self.namespace.ip("addr", "add", f"{self.inner[6]}/64", "dev", "lo", "nodad")
        self.namespace.run("ethtool", "-K", device, "tx-udp-segmentation", "off", check=False)

    def start(self):
        configuration = os.path.join(self.folder, f"{self.name}.yaml")
        self.log = os.path.join(self.folder, f"{self.name}.log")
        self.process = Background(self.namespace.command(
            "sh", "-c", 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && '
            'exec "$0" run --config "$1"',
            executable(), configuration), self.log)
        wait_until(lambda: not self.process.is_running() or self.answers(), f"{self.name} runs")
        if not self.process.is_running():
            raise Failure(f"{self.name} ended:\n{self.process.output()}")

    def cygnet(self, *words, check=True):
        """Runs a command of cygnet where the daemon's own socket is."""
        return run("nsenter", "-m", "-n", "-t", self.process.pid, executable(), *words,
                   check=check)

    def answers(self):
        try:
            return self.cygnet("status", "--json")
        except Failure:
            return None

    def status(self):
        return json.loads(self.cygnet("status", "--json"))

    def close(self):
        status = self.process.stop() if self.process else 0
        self.namespace.delete()
        return status


def step(text):
    print(f"-- {text}", flush=True)


def prepare(folder):
    """A copy of the example, with a secret made as its README says."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    run(os.path.join(folder, "make-secret"))


def transfer(west, east, version):
    """iperf3 from west to east; returns Gbit/s."""
    server = Background(east.namespace.command(
        "iperf3", "-s", "-1", "-B", east.inner[version]), os.devnull)
    try:
        time.sleep(0.3)
        answer = json.loads(west.namespace.run(
            "iperf3", "-J", "-c", east.inner[version], "-B", west.inner[version],
            "-t", str(TRANSFER_SECONDS)))
    finally:
        server.stop()
    return answer["end"]["sum_received"]["bits_per_second"] / 1e9


def demonstrate(west, east, capture, intruders, summary):
    step("the first packet brings the tunnel up")
    begun = time.monotonic()
    expect(ping(west.namespace, west.inner[4], east.inner[4], count=1, wait=5) == 1,
           "the first ping had no answer")
    summary.append(f"tunnel up and first answer after {(time.monotonic() - begun) * 1000:.0f} ms")
    for version in (4, 6):
        step(f"IPv{version}: ping and transfer")
        answered = ping(west.namespace, west.inner[version], east.inner[version], count=10, wait=5)
        expect(answered == 10, f"IPv{version}: {answered} of 10 pings answered")
        speed = transfer(west, east, version)
        expect(speed > 0, f"IPv{version}: nothing was transferred")
        summary.append(f"IPv{version}: 10 of 10 pings answered, {speed:.2f} Gbit/s by TCP")
    time.sleep(0.2)
    capture.stop()
    intruders.stop()
    counts = capture.counts()
    # The kernel sorts out IKE and ESP for this one, so that it misses nothing.
    expect(intruders.frames, "the capture of what is in clear saw not even neighbour discovery")
    expect(intruders.lost == 0, f"the capture of what is in clear missed {intruders.lost} frames")
    clear = capture.unprotected() + intruders.unprotected()
    expect(not clear, f"in clear on the wire: {[repr(frame) for frame in clear[:5]]}")
    largest = max(frame.ip_length for frame in capture.frames if frame.kind != "neighbour")
    expect(largest <= 1500, f"a datagram of {largest} bytes on the wire")
    esp = counts.get("esp", 0) + counts.get("esp-in-udp", 0)
    expect(esp, "no ESP on the wire")
    missed = f"; {capture.lost} more ESP were not kept" if capture.lost else ""
    summary.append(f"on the wire: {counts.get('ike', 0)} IKE, {esp} ESP, 0 in clear; "
                   f"the largest has {largest} bytes{missed}")
    for gateway in (west, east):
        step(f"cygnet status on {gateway.name}")
        print(gateway.cygnet("status"))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.monotonic()
    folder = tempfile.mkdtemp(prefix="cygnet-demo-")
    gateways, summary, captures, status = [], [], [], 1
    try:
        prepare(folder)
        for name in SITES:
            gateways.append(Gateway(name, folder))
        west, east = gateways
        run("ip", "-n", west.namespace.name, "link", "add", "wan", "type", "veth", "peer", "name",
            "wan", "netns", east.namespace.name)
        for gateway in gateways:
            gateway.address("wan")
        captures = [Capture(west.namespace, "wan"), Capture(west.namespace, "wan", UNPROTECTED)]
        for gateway in gateways:
            gateway.start()
            step(f"{gateway.name} runs")
        demonstrate(west, east, *captures, summary)
        status = 0
    except KeyboardInterrupt:
        print("interrupted")
        status = 130
    except Failure as failure:
        print(f"failed: {failure}")
        for gateway in gateways:
            if gateway.process:
                print(f"--- end of {gateway.name}'s log")
                print("\n".join(gateway.process.output().splitlines()[-15:]))
    finally:
        for capture in captures:
            capture.stop()
        for gateway in gateways:
            ended = gateway.close()
            if ended != 0 and status == 0:
                print(f"failed: {gateway.name} ended with status {ended}")
                status = 1
        shutil.rmtree(folder, ignore_errors=True)
    print("\nsummary")
    for line in summary:
        print(f"  {line}")
    outcome = {0: "it works", 130: "interrupted"}.get(status, "it does NOT work")
    print(f"  {outcome} "
          f"({time.monotonic() - begun:.0f} s in the namespaces)")
    return status


if __name__ == "__main__":
    sys.exit(main())
