import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from Tests.Lab.capture import Capture
from Tests.Lab.cygnet import ROOT, Cygnet
from Tests.Lab.network import LEFT, RIGHT, Network
from Tests.Lab.processes import Background, Failure, expect, status_of
from Tests.Lab.strongswan import NamespacedStrongSwan
from Tests.Lab.traffic import ping
from Tests.Lab.tunnel import Tunnel

SUITE = "aes128gcm16"
LINK_MTU = 1500
# Of Cygnet's throughput to that of strongSwan's own packet path in user space.
THROUGHPUT_FLOOR = 4


class Pair:
    """Two gateways of one kind, started for a measurement and stopped after it."""

    def __init__(self, name, make=None):
        self.name = name
        self.make = make
        self.ends = []

    def start(self, network, folder):
        if self.make is None:
            return
        tunnel = Tunnel(esp=SUITE, start="manual")
        self.ends = [
            self.make(network.left, LEFT, os.path.join(folder, f"{self.name}-left")),
            self.make(network.right, RIGHT, os.path.join(folder, f"{self.name}-right"))]
        for end, other in zip(self.ends, (RIGHT, LEFT)):
            end.apply(tunnel, other)
        self.ends[0].initiate()

    def stop(self):
        for end in self.ends:
            end.stop()
            if isinstance(end, Cygnet):
                end.lift_guard()
        self.ends = []


def transfer(network, seconds):
    """One TCP stream from left to right; returns Gbit/s."""
    server = Background(network.right.command(
        "iperf3", "-s", "-1", "-B", RIGHT.inner[4]), os.devnull)
    try:
        time.sleep(0.3)
        answer = json.loads(network.left.run(
            "iperf3", "-J", "-c", RIGHT.inner[4], "-B", LEFT.inner[4], "-t", str(seconds),
            timeout=seconds + 30))
    finally:
        server.stop()
    if "error" in answer:
        raise Failure(f"iperf3: {answer['error']}")
    return answer["end"]["sum_received"]["bits_per_second"] / 1e9


def latency(network):
    """Median time of a ping in microseconds."""
    _, output = status_of(*network.left.command(
        "ping", "-n", "-c", "200", "-i", "0.002", "-I", LEFT.inner[4], RIGHT.inner[4]))
    times = [float(value) for value in re.findall(r"time=([\d.]+)", output)]
    return statistics.median(times) * 1000 if times else float("nan")


def check_the_wire(network, pair):
    """A short transfer under a capture: only IKE and ESP, and no datagram above the link's MTU."""
    with Capture(network.left, "wan") as capture:
        transfer(network, 1)
    expect(not capture.unprotected(), f"{pair.name}: in clear: {capture.unprotected()[:3]}")
    esp = capture.of("esp", "esp-in-udp")
    expect(esp, f"{pair.name}: no ESP on the wire")
    largest = max(frame.ip_length for frame in esp)
    expect(largest <= LINK_MTU, f"{pair.name}: an ESP datagram of {largest} bytes")
    return largest


def cut_before_link(network, is_wanted):
    """Whether batches of datagrams are cut in software before they cross a link.

    A veth carries a batch whole, as a network card that cuts does; a capture sees single
    datagrams only when the kernel has to cut them.
    """
    for namespace, devices in ((network.left, ["wan"]), (network.right, ["wan"]),
                               (network.router, ["to-left", "to-right"])):
        for device in devices:
            namespace.run("ethtool", "-K", device, "tx-udp-segmentation",
                          "off" if is_wanted else "on", check=False)


def tunnels(options, folder, say):
    pairs = [Pair("cygnet", Cygnet), Pair("strongswan", NamespacedStrongSwan), Pair("none")]
    speeds = {pair.name: [] for pair in pairs}
    cut_speeds = {pair.name: [] for pair in pairs}
    delays = {pair.name: [] for pair in pairs}
    largest = {}
    network = Network()
    try:
        for number in range(1, options.rounds + 1):
            for pair in pairs:
                try:
                    pair.start(network, folder)
                    ping(network.left, LEFT.inner[4], RIGHT.inner[4], count=3)
                    cut_before_link(network, True)
                    if pair.make and number == 1:
                        largest[pair.name] = check_the_wire(network, pair)
                    cut_speeds[pair.name].append(transfer(network, options.seconds))
                    cut_before_link(network, False)
                    delays[pair.name].append(latency(network))
                    speeds[pair.name].append(transfer(network, options.seconds))
                finally:
                    pair.stop()
                say(f"round {number} of {options.rounds}, {pair.name}: "
                    f"{speeds[pair.name][-1]:.2f} Gbit/s, "
                    f"cut in software {cut_speeds[pair.name][-1]:.2f} Gbit/s, "
                    f"ping {delays[pair.name][-1]:.0f} µs")
    finally:
        for pair in pairs:
            pair.stop()
        network.close()
    return speeds, cut_speeds, delays, largest


def esp_beside_cipher(say):
    """The benchmark target's own lines, one JSON object each."""
    program = os.path.join(ROOT, ".build", "release", "esp-benchmark")
    if not os.access(program, os.X_OK):
        say(f"skipped: ESP beside its cipher ({program} is not built)")
        return []
    output = subprocess.run([program, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in output.stdout.splitlines() if line.startswith("{")]


def measurements(speeds, cut_speeds, delays, largest, options):
    parameters = {"streams": 1, "seconds": options.seconds, "rounds": options.rounds,
                  "suite": SUITE, "encapsulation": "udp", "linkMTU": LINK_MTU,
                  "congestionControl": "reno"}
    delay = {name: statistics.median(values) for name, values in delays.items()}
    for reference in ("strongswan", "none"):
        for cutting, values in (("link", speeds), ("software", cut_speeds)):
            best = {name: statistics.median(rounds) for name, rounds in values.items()}
            yield {"benchmark": f"tcp-throughput-beside-{reference}",
                   "parameters": {**parameters, "segmentation": cutting,
                                  "largestDatagram": largest.get("cygnet")},
                   "value": round(best["cygnet"], 3), "unit": "Gbit/s",
                   "reference": round(best[reference], 3),
                   "ratio": round(best["cygnet"] / best[reference], 3)}
        yield {"benchmark": f"ping-beside-{reference}", "parameters": {"rounds": options.rounds},
               "value": round(delay["cygnet"], 1), "unit": "µs",
               "reference": round(delay[reference], 1),
               "ratio": round(delay["cygnet"] / delay[reference], 3)}


def table(lines):
    rows = [("benchmark", "value", "reference", "unit", "ratio")]
    for line in lines:
        size = line["parameters"].get("payloadBytes")
        cutting = line["parameters"].get("segmentation")
        name = line["benchmark"] + (f", {size} bytes" if size else "")
        name += f", cut by {cutting}" if cutting else ""
        rows.append((name, f"{line['value']:g}", f"{line['reference']:g}", line["unit"],
                     f"{line['ratio']:g}"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                     for row in rows)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each transfer")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def say(text):
        print(text, file=sys.stderr if options.json else sys.stdout, flush=True)

    begun = time.monotonic()
    folder = tempfile.mkdtemp(prefix="cygnet-bench-")
    try:
        lines = list(measurements(*tunnels(options, folder, say), options))
        lines += esp_beside_cipher(say)
    except Failure as failure:
        say(f"failed: {failure}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        for line in lines:
            print(json.dumps(line, ensure_ascii=False))
    else:
        print(table(lines))
    say(f"took {time.monotonic() - begun:.0f} s")
    floor = next(line for line in lines if line["benchmark"] == "tcp-throughput-beside-strongswan")
    if floor["ratio"] < THROUGHPUT_FLOOR:
        say(f"failed: {floor['ratio']} times strongSwan's throughput; the floor is "
            f"{THROUGHPUT_FLOOR}")
        return 1
    return 0


sys.exit(main())
