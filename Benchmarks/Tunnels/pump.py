"""The bare pump of `pump/` as a pair of gateways: what Cygnet's packet path is compared with."""

import glob
import os
import platform
import shutil
import subprocess

from Tests.Lab.processes import Background, Failure, status_of, wait_until

# As long as what a tunnel of Cygnet carries over a link of 1500 octets.
MTU = 1438
# Of ESP without UDP.
LONGER_MTU = 1446
DEVICE = "pump"
# As `pump.c` names them; the last three are without UDP.
DESIGNS = ["poll", "busy", "threads", "line", "uring", "frames", "express", "native"]
WITHOUT_UDP = DESIGNS[-3:]


def is_possible():
    """Its cipher is a library for these processors."""
    return platform.machine() == "x86_64"


def program_in(folder):
    """The program, which is built when it is not there yet."""
    sources = sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pump", "*.c")))
    program = os.path.join(folder, "pump")
    if os.path.exists(program):
        return program
    compiler = shutil.which("cc") or "clang"
    # Frame pointers are for samples of `steps.py`.
    subprocess.run([compiler, "-O3", "-march=native", "-fno-omit-frame-pointer", "-o", program,
                    *sources, "-lIPSec_MB"], check=True)
    return program


class Pump:
    """One end; `Pair` starts and stops it."""

    def __init__(self, namespace, site, folder, design="poll"):
        self.design = design
        self.namespace = namespace
        self.site = site
        self.folder = folder
        self.process = None
        os.makedirs(folder, exist_ok=True)

    def apply(self, _tunnel, other):
        """The pump has but one tunnel: AES-128-GCM, IPv4 in UDP."""
        # A device outlives a process with an io_uring, by some milliseconds.
        wait_until(lambda: status_of(*self.namespace.command("ip", "link", "show", DEVICE))[0] != 0,
                   "the end of the pump before")
        log = os.path.join(self.folder, "pump.log")
        open(log, "w").close()
        self.process = Background(self.namespace.command(
            program_in(os.path.dirname(self.folder)), DEVICE, self.site.outer[4], other.outer[4],
            self.design), log)
        wait_until(lambda: "ready\n" in self.process.output() or not self.process.is_running(),
                   "the pump")
        if not self.process.is_running():
            raise Failure(f"the pump ended: {self.process.output()}")
        self.namespace.ip("link", "set", DEVICE, "mtu",
                          str(LONGER_MTU if self.design in WITHOUT_UDP else MTU), "up", "txqueuelen", "1000")
        self.namespace.ip("route", "add", other.networks[4], "dev", DEVICE,
                          "src", self.site.inner[4])

    def initiate(self):
        """Nothing is agreed on."""

    def stop(self):
        if self.process:
            self.process.stop()
