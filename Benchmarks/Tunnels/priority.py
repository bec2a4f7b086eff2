"""The round trip of what goes first while others want twice what the tunnel may send."""

import os
import time

from Benchmarks.Tunnels.courses import BASE
from Benchmarks.Tunnels.delays import delays
from Benchmarks.Tunnels.pairs import Pair
from Benchmarks.Tunnels.transfer import cut_before_link
from Tests.Lab.echo import ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Background, Failure

MEGABIT = 1_000_000
LIMIT, OFFERED = 1000, 2000
PORT, OCTETS, SEGMENTS = 7101, 1400, 40
SECONDS = 30
EXPEDITED = "0xb8"
TRAFFIC = ["traffic:", f"  rate: {LIMIT}Mbit", "  classes:",
           "    voice: {match: {dscp: ef}, priority: 1}", "    bulk: {}"]


def priority(network, folder, program):
    """(median, 99th percentile) in microseconds of a ping in the class that goes first, and what the
    other class got, in Gbit/s on the link."""
    return _beside_bulk(network, folder, program, OFFERED, TRAFFIC)


def beside_the_same(network, folder, program):
    """(median, 99th percentile) in microseconds of a ping beside as much as the limit lets through, without
    a limit and so without a queue: what all the programs of the measurement cost each other on the
    processors that they share."""
    median, late, _ = _beside_bulk(network, folder, program, LIMIT, ())
    return median, late


def _beside_bulk(network, folder, program, offered, traffic):
    pair = Pair("cygnet")
    running = []
    try:
        pair.start(network, folder, BASE, lambda site, other: {"tunnel": traffic})
        ping(network.left, LEFT.inner[4], RIGHT.inner[4], count=3)
        cut_before_link(network, False)
        running.append(Background(network.right.command(
            program, "receive", RIGHT.inner[4], str(PORT), str(SECONDS)), os.devnull))
        time.sleep(0.2)
        sender = Background(network.left.command(
            program, "send", RIGHT.inner[4], str(PORT), str(offered * MEGABIT // 8 // OCTETS),
            str(SECONDS), str(OCTETS), str(SEGMENTS)), os.devnull)
        running.append(sender)
        time.sleep(1)
        begun, before = time.monotonic(), _sent(pair) if traffic else 0
        median, late = delays(network, "-Q", EXPEDITED)
        bits = (_sent(pair) - before) * 8 if traffic else None
        lasted = time.monotonic() - begun
        if not sender.is_running():
            raise Failure("the other class fell silent before the pings were over")
        return median, late, bits and bits / lasted / 1e9
    finally:
        for one in running:
            one.stop()
        pair.stop()


def _sent(pair):
    """Octets of outer packets that the class which waits has sent so far."""
    classes = pair.ends[0].status()["traffic"][0]["classes"]
    return next(each["sent"]["bytes"] for each in classes if each["name"] == "bulk")
