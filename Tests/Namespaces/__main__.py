import signal
import sys

from Tests.Lab.cases import Table, arguments_of, execute
from Tests.Lab.laboratory import Laboratory
from Tests.Namespaces import badinput, carriages, classes, confinement, control, errors, guard, keeping, leaks, limits, manual, marks, memory, messages, pathmtu, peers, rekeying, reloading, resuming, routing, shaping, starting, streams, tracing, trafficflow, transports, workers

DESCRIPTION = "usage: python3 -m Tests.Namespaces [--list] [NAME...]"


def main():
    options, names = arguments_of(DESCRIPTION)
    table = Table()
    for chapter in (guard, keeping, errors, leaks, starting, peers, rekeying, resuming, reloading, memory, limits, pathmtu, messages, confinement, control, badinput, transports, streams,
                    routing, carriages, trafficflow, workers, classes, shaping, marks, manual, tracing):
        chapter.register(table)
    if "--list" in options:
        for case in table.choose(names):
            print(case.name)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return execute(table, names, Laboratory)


sys.exit(main())
