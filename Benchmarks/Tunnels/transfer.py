"""TCP from the left inner network to the right one."""

import json
import os
import time

from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Background, Failure


def transfer(network, seconds, version=4, streams=1):
    """Gbit/s that arrive, of all streams together."""
    server = Background(network.right.command(
        "iperf3", "-s", "-1", "-B", RIGHT.inner[version]), os.devnull)
    try:
        time.sleep(0.3)
        answer = json.loads(network.left.run(
            "iperf3", "-J", "-c", RIGHT.inner[version], "-B", LEFT.inner[version],
            "-t", str(seconds), "-P", str(streams), timeout=seconds + 30))
    finally:
        server.stop()
    if "error" in answer:
        raise Failure(f"iperf3: {answer['error']}")
    return answer["end"]["sum_received"]["bits_per_second"] / 1e9


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
