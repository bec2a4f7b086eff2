"""The packet path without system calls: its time beside the bare cipher's, and its instructions."""

import json
import os
import re
import subprocess
import tempfile

from Tests.Lab.cygnet import ROOT
from Tests.Lab.processes import Failure

PROGRAM = os.path.join(ROOT, ".build-benchmark", "release", "esp-benchmark")
# Batches whose instructions are counted, beyond those of a first run that starts the program.
FEW, MANY = 5, 25
COUNTED = ("superpacket-aes128gcm16", "single-aes128gcm16-1420", "single-aes128gcm16-64")
# What is the packet path's own: its module and the checksums, not the cipher.
OWN = re.compile(r"\$s16PacketProtection|(sum|copy)_(avx2|avx512|portable)|cygnet_internet_")


def is_built():
    return os.access(PROGRAM, os.X_OK)


def beside_cipher():
    """The benchmark's own lines, one JSON object each."""
    output = subprocess.run([PROGRAM, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in output.stdout.splitlines() if line.startswith("{")]


def allocations():
    """What the path asks the allocator for, once its tables are filled."""
    output = subprocess.run([PROGRAM, "--json", "allocations"], stdout=subprocess.PIPE, text=True,
                            check=True)
    return [json.loads(line) for line in output.stdout.splitlines()]


def instructions():
    """Instructions of the packet path's own code a packet, sealed and opened, by Valgrind: the
    same on every machine and under any load."""
    with tempfile.TemporaryDirectory() as folder:
        # Valgrind stumbles over debug information newer than itself.
        program = os.path.join(folder, "esp-benchmark")
        subprocess.run(["objcopy", "--strip-debug", PROGRAM, program], check=True)
        for name in COUNTED:
            few, packets = _counted(program, name, FEW)
            many, _ = _counted(program, name, MANY)
            value = (many - few) / ((MANY - FEW) * packets)
            yield _line(name, packets, value)


def _line(name, packets, value):
    return {"benchmark": f"esp-instructions-{name}", "parameters": {"packetsPerBatch": packets},
            "value": round(value, 1), "unit": "instructions/packet", "reference": None,
            "ratio": None}


def _counted(program, name, batches):
    """Instructions of the path's own functions in so many batches, and packets a batch."""
    profile = f"{program}.profile"
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}",
         program, "--batches", str(batches), name],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"valgrind: {done.stderr[-500:]}")
    packets = int(done.stdout.split()[-1])
    report = subprocess.run(
        ["callgrind_annotate", "--threshold=100", profile],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    total = 0
    for line in report.splitlines():
        found = re.match(r"\s*([\d,]+) \([^)]*\)\s+(.*)", line)
        if found and OWN.search(found.group(2)):
            total += int(found.group(1).replace(",", ""))
    return total, packets
