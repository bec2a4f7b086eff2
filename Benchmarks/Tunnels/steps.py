"""What each step of a gateway takes of its CPU while TCP flows, by samples of `perf`:

python3 -m Benchmarks.Tunnels.steps [--rounds N] [--seconds N] [KIND...]

A KIND is `cygnet` or `pump`, or `pump-` and a design of it. A sample belongs to the step whose
system call is in its call chain, or else to the cipher or the gateway's own code. The kernel does
within a call what follows from it: the router forwards within a gateway's sendmsg, and the far end's
TCP may take what a gateway writes to its device. Such work is told apart.
"""

import argparse
import collections
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from Benchmarks.Tunnels.courses import BASE
from Benchmarks.Tunnels.pairs import KINDS, Pair, cpu_seconds_of
from Benchmarks.Tunnels.rounds import SEGMENT
from Benchmarks.Tunnels.transfer import cut_before_link, transfer
from Tests.Lab.echo import ping
from Tests.Lab.network import LEFT, RIGHT, Network
from Tests.Lab.processes import run

FREQUENCY = 5000
# The first that matches a symbol of the chain: a system call.
CALLS = [("read the device", r"tun_chr_read|tun_do_read|\bksys_read\b"),
         ("write to the device", r"tun_chr_write|\bksys_write\b"),
         ("send UDP", r"sys_sendm?msg|sys_sendto"),
         ("receive UDP", r"sys_recvm?msg|sys_recvfrom"),
         ("wait and wake up", r"sys_epoll|sys_poll|sys_p?select|sys_futex|schedule|_idle"),
         ("io_uring's own", r"io_uring_enter")]
# Parts of a system call: the first that matches.
PARTS = [("rules of a guard", r"nf_hook_slow|nft_do_chain"),
         ("waking others", r"try_to_wake_up"),
         ("network behind it", r"net_rx_action|netif_receive_skb|process_backlog"),
         ("segmentation", r"skb_segment|gso_segment|validate_xmit"),
         ("copying", r"rep_movs|copy_(to|from)_(iter|user)|copy_user|_copy_")]
CIPHERS = [("seal", r"gcm_enc|aes_gcm.*enc"), ("open", r"gcm_dec|aes_gcm.*dec")]
OTHER = "cut, verify, coalesce and all else of its own"


def parse():
    parser = argparse.ArgumentParser(
        prog="python3 -m Benchmarks.Tunnels.steps",
        description="Tells the steps of a gateway apart by samples.")
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--seconds", type=int, default=3, help="of each transfer (%(default)s)")
    parser.add_argument("kinds", nargs="*", metavar="KIND", default=[])
    options = parser.parse_args()
    options.kinds = options.kinds or ["pump", "cygnet"]
    if unknown := [kind for kind in options.kinds if not re.match("pump|cygnet", kind)
                   or kind not in KINDS]:
        parser.error(f"no gateway to sample: {', '.join(unknown)}")
    return options


def step_of(chain):
    """The step and the part of a sample, by its symbols, innermost first."""
    joined = "\n".join(chain)
    for step, pattern in CALLS:
        if re.search(pattern, joined):
            for part, inner in PARTS:
                if re.search(inner, joined):
                    return step, part
            return step, "the rest of the call"
    for step, pattern in CIPHERS:
        if re.search(pattern, joined):
            return step, ""
    return (OTHER, "") if "[k]" not in joined else ("the kernel beside calls", "")


def samples_of(file):
    """Call chains as lists of symbols, from perf's text."""
    text = run("perf", "script", "-i", file, "-F", "ip,sym,dso", "--no-demangle", timeout=120)
    for block in text.split("\n\n"):
        chain = []
        for line in block.splitlines():
            found = re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line)
            if found:
                kernel = " [k]" if "kernel" in found[2] or found[2] == "[unknown]" else ""
                chain.append(found[1] + kernel)
        if chain:
            yield chain


def sampled_transfer(network, pair, folder, seconds):
    """For each end: nanoseconds a segment by step and part."""
    files, recorders = [], []
    for index, end in enumerate(pair.ends):
        files.append(os.path.join(folder, f"samples-{index}"))
        recorders.append(subprocess.Popen(
            ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g", "-o", files[-1],
             "-p", str(end.process.pid)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    time.sleep(0.5)
    before = [cpu_seconds_of(end.process.pid) for end in pair.ends]
    speed = transfer(network, seconds)
    used = [cpu_seconds_of(end.process.pid) - begun for end, begun in zip(pair.ends, before)]
    for recorder in recorders:
        recorder.send_signal(signal.SIGINT)
        recorder.wait(30)
    segments = speed * 1e9 / 8 * seconds / SEGMENT
    seen = []
    for file, seconds_used in zip(files, used):
        counts = collections.Counter(step_of(chain) for chain in samples_of(file))
        whole = sum(counts.values())
        seen.append({key: count / whole * seconds_used / segments * 1e9
                     for key, count in counts.items()})
    return speed, seen


def show(title, rounds):
    """Medians of the rounds for sender and receiver, steps and their parts."""
    print(title + ": " + ", ".join(f"{speed:.2f}" for speed, _ in rounds) + " Gbit/s")
    for index, name in enumerate(("the sender's gateway", "the receiver's gateway")):
        ends = [seen[index] for _, seen in rounds]
        keys = {key for end in ends for key in end}
        median = {key: statistics.median(end.get(key, 0) for end in ends) for key in keys}
        print(f"  {name}: {statistics.median(sum(end.values()) for end in ends):.0f} ns a segment")
        steps = {step for step, _ in keys}
        for step in sorted(steps, key=lambda one: -sum(
                value for key, value in median.items() if key[0] == one)):
            parts = {part: value for (one, part), value in median.items() if one == step}
            inner = ", ".join(f"{part} {value:.0f}" for part, value in sorted(parts.items()) if part)
            print(f"    {sum(parts.values()):5.0f}  {step}" + (f" ({inner})" if inner else ""))


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="cygnet-steps-")
    network = Network()
    found = {}
    try:
        for _ in range(options.rounds):
            for kind in options.kinds:
                pair = Pair(kind)
                try:
                    pair.start(network, folder, BASE)
                    ping(network.left, LEFT.inner[4], RIGHT.inner[4], count=3)
                    for place in ("software", "link"):
                        cut_before_link(network, place == "software")
                        found.setdefault((kind, place), []).append(
                            sampled_transfer(network, pair, folder, options.seconds))
                finally:
                    pair.stop()
    finally:
        network.close()
        shutil.rmtree(folder, ignore_errors=True)
    for (kind, place), rounds in found.items():
        show(f"{kind}, cut by {place}", rounds)


main()
