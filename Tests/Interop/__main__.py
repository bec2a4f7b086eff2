import signal
import sys

from Tests.Interop import (
    children, collisions, disagreement, exchanges, extensions, fragmenting, kernel,
    manual, mobility, narrowing, paths, rekeying, reloading, restarts, suites, within)
from Tests.Lab.cases import Table, arguments_of, execute
from Tests.Lab.laboratory import Laboratory

# Laboratories side by side: most cases wait more than they compute.
WORKERS = 3
DESCRIPTION = """usage: scripts/interop [--list] [--reference] [NAME...]
  --list        the names of the cases
  --reference   a second strongSwan in Cygnet's place, which proves the laboratory itself
A NAME may hold `*`."""


def main():
    options, names = arguments_of(DESCRIPTION)
    table = Table()
    for chapter in (suites, paths, disagreement, exchanges, rekeying, collisions, restarts,
                    narrowing, children, fragmenting, extensions, reloading,
                    mobility, kernel, manual, within):
        chapter.register(table)
    if "--list" in options:
        for case in table.choose(names):
            print(case.name)
        return 0
    is_reference = "--reference" in options
    # A terminated run cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return execute(table, names, lambda folder: Laboratory(folder, is_reference),
                   WORKERS)


sys.exit(main())
