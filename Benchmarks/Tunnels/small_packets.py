"""How many small UDP datagrams a second pass with at most one in a hundred lost."""

import os
import shutil
import subprocess
import time

from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Background, Failure

OCTETS = 64
PORT = 7100
ALLOWED_LOSS = 0.01
SECONDS = 1
FIRST, STEPS = 40_000, 5


def build(folder):
    """The program that sends and counts."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "packets.c")
    program = os.path.join(folder, "packets")
    compiler = shutil.which("cc") or "clang"
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    return program


def attempt(network, folder, program, rate):
    """One second at a rate; returns how many were sent and received."""
    counted = os.path.join(folder, "received")
    open(counted, "w").close()
    receiver = Background(network.right.command(
        program, "receive", RIGHT.inner[4], str(PORT), "30"), counted)
    try:
        time.sleep(0.1)
        sent = int(network.left.run(
            program, "send", RIGHT.inner[4], str(PORT), str(rate), str(SECONDS), str(OCTETS)))
        time.sleep(0.3)
    finally:
        receiver.stop()
    try:
        return sent, int(receiver.output())
    except ValueError:
        raise Failure(f"the receiver said {receiver.output()!r}") from None


def small_packets(network, folder, program):
    """The most that were received in a second of those attempts that lost little enough.

    Doubles until too much is lost or the sender itself is the limit, then halves the interval.
    """
    best, good, bad = 0, 0, None
    rate, steps = FIRST, STEPS
    while steps > 0:
        sent, received = attempt(network, folder, program, rate)
        is_good = sent > 0 and received >= sent * (1 - ALLOWED_LOSS)
        is_sender_the_limit = sent < rate * SECONDS * 0.95
        if is_good:
            best, good = max(best, received), rate
        if not is_good or is_sender_the_limit:
            bad = rate
        if bad is None:
            rate *= 2
            continue
        steps -= 1
        rate = (good + bad) // 2
    return best / SECONDS
