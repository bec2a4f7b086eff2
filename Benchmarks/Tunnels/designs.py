"""Other designs of the bare pump beside the plain one, in interleaved rounds:

python3 -m Benchmarks.Tunnels.designs [--rounds N] [--seconds N] [DESIGN...]

`pump/pump.c` says what each design does. Everything is a ratio to the plain pump of the same round.
"""

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile

from Benchmarks.Tunnels.courses import BASE
from Benchmarks.Tunnels.delays import delays
from Benchmarks.Tunnels.pairs import Pair
from Benchmarks.Tunnels.pump import DESIGNS
from Benchmarks.Tunnels.rounds import SEGMENT
from Benchmarks.Tunnels.small_packets import build, small_packets
from Benchmarks.Tunnels.transfer import cut_before_link, transfer
from Tests.Lab.echo import ping
from Tests.Lab.network import LEFT, RIGHT, Network
from Tests.Lab.processes import Failure

# What is measured, its unit, and by what it is shown.
MEASURES = [("tcp", "Gbit/s", 1), ("tcp-cut", "Gbit/s", 1), ("cpu", "ns/segment", 1),
            ("cpu-cut", "ns/segment", 1), ("small", "thousand/s", 1e-3), ("ping", "µs", 1),
            ("ping-99th", "µs", 1)]


def parse():
    parser = argparse.ArgumentParser(
        prog="python3 -m Benchmarks.Tunnels.designs",
        description="Measures other designs of the bare pump beside the plain one.")
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--seconds", type=int, default=2, help="of each transfer (%(default)s)")
    parser.add_argument("designs", nargs="*", metavar="DESIGN", default=[],
                        help=f"of {', '.join(DESIGNS[1:])} (default: all)")
    options = parser.parse_args()
    options.designs = options.designs or DESIGNS[1:]
    if unknown := set(options.designs) - set(DESIGNS):
        parser.error(f"no design: {', '.join(sorted(unknown))}")
    return options


def one_queue(network):
    """An AF_XDP socket receives of one queue of a device: the links get but one each."""
    for namespace, device in ((network.left, "wan"), (network.right, "wan"),
                              (network.router, "to-left"), (network.router, "to-right")):
        namespace.run("ethtool", "-L", device, "rx", "1", "tx", "1", check=False)


def timed_transfer(network, pair, seconds):
    """Gbit/s, and the CPU nanoseconds of a gateway for each segment."""
    before = pair.cpu_seconds()
    speed = transfer(network, seconds)
    segments = speed * 1e9 / 8 * seconds / SEGMENT
    return speed, (pair.cpu_seconds() - before) / len(pair.ends) / segments * 1e9


def measure(network, folder, program, design, seconds):
    pair = Pair(f"pump-{design}")
    seen = {}
    try:
        pair.start(network, folder, BASE)
        ping(network.left, LEFT.inner[4], RIGHT.inner[4], count=3)
        cut_before_link(network, True)
        seen["tcp-cut"], seen["cpu-cut"] = timed_transfer(network, pair, seconds)
        cut_before_link(network, False)
        seen["ping"], seen["ping-99th"] = delays(network)
        seen["tcp"], seen["cpu"] = timed_transfer(network, pair, seconds)
        seen["small"] = small_packets(network, folder, program)
    finally:
        pair.stop()
    return seen


def shown(rounds, design):
    """One line: each measure's median, and the median of its ratios to the plain pump."""
    cells = []
    for what, unit, scale in MEASURES:
        pairs = [(seen[design][what], seen[DESIGNS[0]][what]) for seen in rounds if design in seen]
        if not pairs:
            return f"{design}: not measured"
        value = statistics.median(own for own, _ in pairs) * scale
        ratio = statistics.median(own / plain if plain else 0 for own, plain in pairs)
        cells.append(f"{what} {value:.4g} {unit} ({ratio:.2f})")
    return f"{design}: " + ", ".join(cells)


def run(options, folder):
    network = Network()
    rounds = []
    try:
        one_queue(network)
        program = build(folder)
        for number in range(1, options.rounds + 1):
            rounds.append({})
            # Each begins a round in its turn: a machine may be slower after one than after another.
            designs = [DESIGNS[0], *options.designs]
            begun = (number - 1) % len(designs)
            for design in designs[begun:] + designs[:begun]:
                try:
                    seen = measure(network, folder, program, design, options.seconds)
                except Failure as failure:
                    print(f"  {design}: {failure}", flush=True)
                    continue
                rounds[-1][design] = seen
                load = os.getloadavg()[0]
                print(f"  {number} {design}: " + ", ".join(
                    f"{what} {seen[what] * scale:.4g}" for what, _, scale in MEASURES)
                    + f" (load {load:.1f})", flush=True)
    finally:
        network.close()
    whole = [seen for seen in rounds if DESIGNS[0] in seen]
    for design in [DESIGNS[0], *options.designs]:
        print(shown(whole, design))


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="cygnet-designs-")
    try:
        run(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
