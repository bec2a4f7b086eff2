import argparse
import os
import shutil
import signal
import sys
import tempfile
import time

from Benchmarks.Tunnels.small_packets import build
from Tests.Endurance.load import Load
from Tests.Endurance.rekeying import Rekeying
from Tests.Lab.cygnet import Cygnet
from Tests.Lab.network import LEFT, RIGHT, Network
from Tests.Lab.processes import Failure
from Tests.Lab.tunnel import Tunnel

# Drops that tell of no lost packet: what the load never sends, and what the network says by itself.
HARMLESS = ("keepalive", "noPolicy", "policyBypass", "linkHousekeeping")


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/endure",
        description="TCP and counted UDP through two gateways whose keys are replaced every second "
        "by either end or by both at once, every tenth time those of the IKE SA. Fails when a "
        "single packet is lost.",
        epilog="example: scripts/endure --minutes 1 --datagrams 2000 --bits 100")
    parser.add_argument("--minutes", type=float, default=10, help="default %(default)s")
    parser.add_argument("--datagrams", type=int, default=5000,
                        help="UDP datagrams a second (%(default)s)")
    parser.add_argument("--bits", type=int, default=200,
                        help="millions of bits a second of TCP (%(default)s)")
    parser.add_argument("--workers", default="1", help="of each gateway (%(default)s)")
    return parser.parse_args()


def problems(options, load, rekeying, ends):
    """What was not as it must be, in words."""
    found = []
    if load.sent != load.received:
        found.append(f"{load.sent - load.received} of {load.sent} datagrams lost")
    if load.retransmissions > load.duplicates:
        text = f"{load.retransmissions - load.duplicates} TCP segments lost"
        if load.thrown_away:
            text += f"; the receiver's kernel threw packets away: {load.thrown_away}"
        found.append(text)
    if rekeying.failures:
        found += [f"a rekey failed: {text}" for text in rekeying.failures[:3]]
    # As many as there were seconds, but for those in which the machine had no time.
    if rekeying.children < options.minutes * 60 * 0.8:
        found.append(f"only {rekeying.children} times new keys")
    for end in ends:
        drops = {reason: count for reason, count in end.drops().items()
                 if not reason.startswith("ike-") and reason not in HARMLESS}
        if drops:
            found.append(f"{end.site.name} dropped: {drops}")
    return found


def endure(options, folder):
    network = Network()
    ends = []
    load = None
    try:
        for namespace, site in ((network.left, LEFT), (network.right, RIGHT)):
            ends.append(Cygnet(namespace, site, os.path.join(folder, site.name)))
        for end, other in zip(ends, (RIGHT, LEFT)):
            end.apply(Tunnel(esp="aes128gcm16"), other, gateway=[f"workers: {options.workers}"])
        ends[0].initiate()
        seconds = options.minutes * 60
        load = Load(network, build(folder), folder, options, seconds)
        rekeying = Rekeying(ends)
        begun = told = time.monotonic()
        while time.monotonic() - begun < seconds:
            rekeying.once()
            now = time.monotonic()
            if now - told >= 10:
                told = now
                print(f"  {now - begun:.0f} of {seconds:.0f} s: {rekeying}", flush=True)
            time.sleep(max(0.0, begun + rekeying.rounds - time.monotonic()))
        load.finish()
        print(f"{load.sent} datagrams sent, {load.received} received; TCP {load.gigabits:.2f} Gbit, "
              f"{load.retransmissions} segments sent again, of which {load.duplicates} were not lost; "
              f"{rekeying}", flush=True)
        return problems(options, load, rekeying, ends)
    finally:
        if load:
            load.stop()
        for end in ends:
            end.stop()
            end.lift_guard()
        network.close()


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="cygnet-endure-")
    try:
        found = endure(options, folder)
    except Failure as failure:
        found = [str(failure)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for problem in found:
        print(f"failed: {problem}")
    return 1 if found else 0


sys.exit(main())
