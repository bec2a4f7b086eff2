"""The rounds in which everything is measured in turn, and what came out of them."""

import statistics
import time

from Benchmarks.Tunnels.courses import BASE, COURSES
from Benchmarks.Tunnels.delays import delays
from Benchmarks.Tunnels import pump
from Benchmarks.Tunnels.pairs import Pair
from Benchmarks.Tunnels.priority import beside_the_same, priority
from Benchmarks.Tunnels.small_packets import build, small_packets
from Benchmarks.Tunnels.transfer import cut_before_link, transfer
from Tests.Lab.capture import Capture
from Tests.Lab.echo import ping
from Tests.Lab.network import LEFT, RIGHT, Network
from Tests.Lab.processes import expect

LINK_MTU = 1500
KINDS = ["none", "strongswan"] + (["pump"] if pump.is_possible() else []) + ["cygnet"]
# What a segment of TCP carries through the tunnel of `BASE`, about: figures are told by it.
SEGMENT = 1386


class Rounds:
    """`values[what][kind]` is what each round saw; a course is of the kind "cygnet"."""

    def __init__(self, options, folder, say):
        self.options = options
        self.folder = folder
        self.say = say
        self.values = {}
        self.largest = None
        self.courses = [course for course in COURSES
                        if not options.only or course.name in options.only]

    def add(self, what, kind, value):
        self.values.setdefault(what, {}).setdefault(kind, []).append(value)

    def median(self, what, kind):
        found = self.values.get(what, {}).get(kind)
        return statistics.median(found) if found else None

    def ratio(self, what, kind, other_what, other_kind):
        """The median of the ratios that the rounds saw, each within itself; None without any."""
        pairs = zip(self.values[what][kind], self.values[other_what][other_kind])
        found = [one / other for one, other in pairs if other]
        return statistics.median(found) if found else None

    def run(self):
        network = Network()
        try:
            program = build(self.folder)
            for number in range(1, self.options.rounds + 1):
                begun = time.monotonic()
                for kind in KINDS:
                    self._measure(network, kind, program, is_first=number == 1)
                for course in self.courses:
                    self._measure_course(network, course)
                self._measure_priority(network, program)
                self.say(f"round {number} of {self.options.rounds} took "
                         f"{time.monotonic() - begun:.0f} s")
        finally:
            network.close()

    def _measure(self, network, kind, program, is_first):
        pair = Pair(kind)
        try:
            pair.start(network, self.folder, BASE)
            ping(network.left, LEFT.inner[4], RIGHT.inner[4], count=3)
            cut_before_link(network, True)
            if kind == "cygnet" and is_first:
                self._check_the_wire(network)
            self.add("tcp-cut", kind, transfer(network, self.options.seconds))
            cut_before_link(network, False)
            median, late = delays(network)
            self.add("ping", kind, median)
            self.add("ping-99th", kind, late)
            before = pair.cpu_seconds()
            speed = transfer(network, self.options.seconds)
            self.add("tcp", kind, speed)
            if kind in ("pump", "cygnet"):
                segments = speed * 1e9 / 8 * self.options.seconds / SEGMENT
                used = pair.cpu_seconds() - before
                self.add("cpu", kind, used / len(pair.ends) / segments * 1e9)
            self.add("small", kind, small_packets(network, self.folder, program))
        finally:
            pair.stop()
        self.say(f"  {kind}: {self.values['tcp'][kind][-1]:.2f} Gbit/s, cut in software "
                 f"{self.values['tcp-cut'][kind][-1]:.2f}, ping "
                 f"{self.values['ping'][kind][-1]:.0f} µs (99th percentile "
                 f"{self.values['ping-99th'][kind][-1]:.0f}), "
                 f"{self.values['small'][kind][-1] / 1000:.0f} thousand small packets a second")

    def _measure_course(self, network, course):
        pair = Pair("cygnet")
        try:
            course.prepare(network)
            pair.start(network, self.folder, course.tunnel, course.further)
            ping(network.left, LEFT.inner[course.version], RIGHT.inner[course.version], count=3)
            cut_before_link(network, False)
            self.add(course.name, "cygnet", transfer(
                network, self.options.seconds, course.version, course.streams))
        finally:
            pair.stop()
            course.restore(network)
        self.say(f"  {course.name}: {self.values[course.name]['cygnet'][-1]:.2f} Gbit/s")

    def _measure_priority(self, network, program):
        median, late, bulk = priority(network, self.folder, program)
        self.add("priority", "cygnet", median)
        self.add("priority-99th", "cygnet", late)
        self.add("priority-bulk", "cygnet", bulk)
        median_of_same, late_of_same = beside_the_same(network, self.folder, program)
        self.add("same-load", "cygnet", median_of_same)
        self.add("same-load-99th", "cygnet", late_of_same)
        self.say(f"  priority: ping {median:.0f} µs (99th percentile {late:.0f}) beside "
                 f"{bulk:.2f} Gbit/s; beside as much without a limit {median_of_same:.0f} "
                 f"({late_of_same:.0f})")

    def _check_the_wire(self, network):
        """A short transfer under a capture: only IKE and ESP, and no datagram above the MTU."""
        with Capture(network.left, "wan") as capture:
            transfer(network, 1)
        expect(not capture.unprotected(), f"in clear: {capture.unprotected()[:3]}")
        esp = capture.of("esp", "esp-in-udp")
        expect(esp, "no ESP on the wire")
        self.largest = max(frame.ip_length for frame in esp)
        expect(self.largest <= LINK_MTU, f"an ESP datagram of {self.largest} bytes")
