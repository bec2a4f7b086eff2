"""Scapy's ESP and AH beside Cygnet's: random packets, every transform and mode that both have, both ways.

    python3 -m Tests.Codec [--packets N] [--seed S]

What Scapy seals Cygnet must open, what Cygnet seals Scapy must open, and of AH both must make the same."""

import argparse
import os
import subprocess
import sys
import tempfile
import time

from Tests.Codec import ah, esp
from Tests.Codec.packets import Dice, hexadecimal, raw


def arguments():
    parser = argparse.ArgumentParser(prog="python3 -m Tests.Codec")
    parser.add_argument("--packets", type=int, default=3000, help="about so many (3000)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="by the clock")
    return parser.parse_args()


def combinations(count):
    """Each suite in each mode, again and again."""
    of_esp = [(suite, mode, outer, extended) for suite in esp.SUITES
              for mode in ("tunnel", "transport") for outer in (4, 6) for extended in (False, True)]
    of_ah = [(word, mode, outer, extended) for word in ah.ALGORITHMS
             for mode in ("tunnel", "transport") for outer in (4, 6) for extended in (False, True)]
    rounds = max(count // (len(of_esp) + len(of_ah)), 1)
    return of_esp * rounds, of_ah * rounds


def judge(cases, made):
    """Those of Cygnet's ESP packets that Scapy does not open to what was sealed."""
    wrong = [] if len(made) == len(cases) else [f"{len(made)} of {len(cases)} packets were sealed"]
    for number, (case, text) in enumerate(zip(cases, made)):
        found, error = case.opens(bytes.fromhex(text))
        if found != raw(case.inner):
            wrong.append(f"packet {number}, {case.cipher} {case.integrity or ''} {case.mode} over "
                         f"IPv{case.outer}{', extended' * case.is_extended}: "
                         + (error or f"opened to {hexadecimal(found)}, not {raw(case.inner).hex()}"))
    return wrong


def main():
    options = arguments()
    print(f"seed {options.seed}")
    dice = Dice(options.seed)
    of_esp, of_ah = combinations(options.packets)
    cases = [esp.Case(dice, *each) for each in of_esp]
    with tempfile.TemporaryDirectory(prefix="cygnet-codec-") as folder:
        def write(name, lines):
            with open(os.path.join(folder, name), "w") as file:
                file.write("\n".join(lines) + "\n")

        write("esp.txt", [case.line(dice) for case in cases])
        write("ah.txt", [ah.line(dice, *each) for each in of_ah])
        print(f"{len(of_esp)} packets of ESP and {len(of_ah)} of AH made", flush=True)
        done = subprocess.run(
            ["swift", "test", "--skip-build", "--filter", "ScapyCodecTests"],
            env=os.environ | {"CYGNET_CODEC": folder}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        place = os.path.join(folder, "esp-made.txt")
        made = open(place).read().split() if os.path.exists(place) else []
    wrong = judge(cases, made)
    if done.returncode != 0:
        print(done.stdout[-60000:])
        wrong.append("Cygnet does not open what Scapy sealed, or makes another AH (above)")
    for line in wrong[:20]:
        print(f"failed: {line}")
    # Each packet goes both ways.
    total = 2 * (len(of_esp) + len(of_ah))
    print(f"{total - len(wrong)} passed, {len(wrong)} failed")
    sys.exit(1 if wrong else 0)


main()
