import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time

from Benchmarks.Tunnels import esp
from Benchmarks.Tunnels.courses import COURSES
from Benchmarks.Tunnels.plot import plot
from Benchmarks.Tunnels.report import measurements, table
from Benchmarks.Tunnels.rounds import Rounds
from Benchmarks.Tunnels.thresholds import violations
from Tests.Lab.cygnet import ROOT
from Tests.Lab.processes import Failure


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures tunnels beside strongSwan's own packet path in user space and beside "
        "no tunnel, and ESP beside its bare cipher.",
        epilog="example: scripts/bench --rounds 1 --seconds 2 --only ipv6 four-streams")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--seconds", type=int, default=4, help="of each transfer (%(default)s)")
    parser.add_argument("--only", nargs="*", metavar="COURSE",
                        choices=[course.name for course in COURSES] + ["none"],
                        help="which variants of the tunnel to measure beside the first")
    parser.add_argument("--plot", metavar="FILE",
                        default=os.path.join(ROOT, ".build", "bench.svg"),
                        help="where to write the picture (%(default)s)")
    return parser.parse_args()


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def say(text):
        print(text, file=sys.stderr if options.json else sys.stdout, flush=True)

    begun = time.monotonic()
    folder = tempfile.mkdtemp(prefix="cygnet-bench-")
    try:
        rounds = Rounds(options, folder, say)
        rounds.run()
        lines = list(measurements(rounds))
        if esp.is_built():
            lines += esp.beside_cipher()
            lines += esp.allocations()
            lines += esp.instructions()
        else:
            say(f"skipped: ESP beside its cipher ({esp.PROGRAM} is not built)")
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
    plot(lines, options.plot)
    say(f"took {time.monotonic() - begun:.0f} s; {options.plot} is the picture")
    found = violations(lines)
    for violation in found:
        say(f"failed: {violation}")
    return 1 if found else 0


sys.exit(main())
