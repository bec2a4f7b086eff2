"""What the rounds saw, as measurements that have a reference each, as JSON and as a table."""

from Benchmarks.Tunnels.courses import SUITE
from Benchmarks.Tunnels.rounds import KINDS, LINK_MTU, SEGMENT


def measurements(rounds):
    """One dictionary a line of the result."""
    options = rounds.options
    shared = {"seconds": options.seconds, "rounds": options.rounds, "suite": SUITE,
              "encapsulation": "udp", "linkMTU": LINK_MTU, "congestionControl": "reno"}

    def line(benchmark, what, unit, kind, other=None, digits=3, scale=1, **parameters):
        """Beside another kind of gateway, or beside another measurement of Cygnet's own."""
        other_what = other or what
        ratio = rounds.ratio(what, "cygnet", other_what, kind)
        return {"benchmark": benchmark, "parameters": {**shared, **parameters},
                "value": round(rounds.median(what, "cygnet") * scale, digits), "unit": unit,
                "reference": round(rounds.median(other_what, kind) * scale, digits),
                "ratio": ratio and round(ratio, 3)}

    for kind in KINDS[:-1]:
        for cutting, what in (("link", "tcp"), ("software", "tcp-cut")):
            yield line(f"tcp-throughput-beside-{kind}", what, "Gbit/s", kind, streams=1,
                       segmentation=cutting, largestDatagram=rounds.largest)
        yield line(f"small-packets-beside-{kind}", "small", "packets/s", kind, digits=0,
                   payloadBytes=64)
        yield line(f"ping-beside-{kind}", "ping", "µs", kind, digits=1)
        yield line(f"ping-99th-beside-{kind}", "ping-99th", "µs", kind, digits=1)
    yield line("tcp-cut-in-software-beside-one-stream", "tcp-cut", "Gbit/s", "cygnet", "tcp")
    for course in rounds.courses:
        yield line(f"tcp-{course.name}-beside-one-stream", course.name, "Gbit/s", "cygnet", "tcp",
                   streams=course.streams)
    for name, what, late in (("idle", "ping", "ping-99th"),
                             ("same-load", "same-load", "same-load-99th")):
        for benchmark, measured, other in (("priority-ping", "priority", what),
                                           ("priority-ping-99th", "priority-99th", late)):
            yield line(f"{benchmark}-beside-{name}", measured, "µs", "cygnet", other, digits=1,
                       limit="1 Gbit/s", offered="2 Gbit/s",
                       bulk=round(rounds.median("priority-bulk", "cygnet"), 3))
    yield line("gateway-cpu-per-segment", "cpu", "ns", "pump" if "pump" in KINDS else "cygnet",
               digits=1, segmentBytes=SEGMENT)


def name_of(line):
    """What tells a measurement from all others, in words."""
    size = line["parameters"].get("payloadBytes")
    cutting = line["parameters"].get("segmentation")
    name = line["benchmark"] + (f", {size} bytes" if size else "")
    return name + (f", cut by {cutting}" if cutting else "")


def table(lines):
    def shown(number):
        return "" if number is None else f"{number:g}" if number < 100_000 else f"{number:.0f}"

    rows = [("benchmark", "value", "reference", "unit", "ratio")]
    rows += [(name_of(line), shown(line["value"]), shown(line["reference"]), line["unit"],
              shown(line["ratio"])) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                     for row in rows)
