"""Two gateways of one kind, between which something is measured."""

import functools
import os

from Benchmarks.Tunnels.pump import DESIGNS, Pump
from Tests.Lab.cygnet import Cygnet
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.strongswan import NamespacedStrongSwan

KINDS = {"cygnet": Cygnet, "strongswan": NamespacedStrongSwan, "pump": Pump, "none": None}
KINDS |= {f"pump-{design}": functools.partial(Pump, design=design) for design in DESIGNS}


class Pair:
    """Started for a measurement and stopped after it; of kind "none" there are no gateways."""

    def __init__(self, kind):
        self.kind = kind
        self.ends = []

    def start(self, network, folder, tunnel, further=lambda site, other: {}):
        """`further` gives what an end's configuration has besides the tunnel."""
        make = KINDS[self.kind]
        if make is None:
            return
        self.ends = [
            make(network.left, LEFT, os.path.join(folder, f"{self.kind}-left")),
            make(network.right, RIGHT, os.path.join(folder, f"{self.kind}-right"))]
        for end, site, other in zip(self.ends, (LEFT, RIGHT), (RIGHT, LEFT)):
            end.apply(tunnel, other, **further(site, other))
        self.ends[0].initiate()

    def stop(self):
        for end in self.ends:
            end.stop()
            if isinstance(end, Cygnet):
                end.lift_guard()
        self.ends = []

    def cpu_seconds(self):
        """User and system time that the gateways have used so far, all threads; 0 without any."""
        return sum(cpu_seconds_of(end.process.pid) for end in self.ends)


def cpu_seconds_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        # Behind the command's name, which may hold spaces: utime and stime are fields 14 and 15.
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
