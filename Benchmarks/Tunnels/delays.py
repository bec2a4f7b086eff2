"""The time that an echo takes from inner network to inner network while nothing else travels."""

import re
import statistics

from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Failure, status_of

COUNT = 400


def delays(network, *words):
    """Median and 99th percentile of the time of a ping, in microseconds; `words` are ping's own."""
    _, output = status_of(*network.left.command(
        "ping", "-n", "-c", str(COUNT), "-i", "0.002", *words, "-I", LEFT.inner[4],
        RIGHT.inner[4]))
    times = sorted(float(value) * 1000 for value in re.findall(r"time=([\d.]+)", output))
    if len(times) < COUNT * 0.99:
        raise Failure(f"{len(times)} of {COUNT} pings answered")
    return statistics.median(times), times[int(len(times) * 0.99)]
