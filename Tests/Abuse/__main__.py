import signal
import sys

from Tests.Abuse import (
    answers, authentication, beginnings, deletes, floods, fragments, good_order, headers, inner, insider,
    intermediates, manual, movements, outsider, packets, protection, resumption, streams)
from Tests.Abuse.laboratory import AbuseLaboratory
from Tests.Lab.cases import Table, arguments_of, execute
from Tests.Lab.processes import Failure

# Laboratories side by side.
WORKERS = 2
DESCRIPTION = """usage: scripts/abuse [--list] [NAME...]
  --list   the names of the cases, each with the clause that tells the right answer
A NAME may hold `*`."""
CHAPTERS = (
    good_order.register, floods.register_first, headers.register, beginnings.register,
    authentication.register, protection.register, fragments.register, intermediates.register,
    resumption.register, insider.register, deletes.register, outsider.register, answers.register, packets.register, inner.register, manual.register,
    movements.register, streams.register, floods.register_last, floods.register)


def main():
    options, names = arguments_of(DESCRIPTION)
    table, clauses = Table(), {}

    def add(name, clause, action, /, lane="any", **parameters):
        """One abuse: what `action` asserts is what `clause` says, and afterwards the daemon lives,
        the honest peer's tunnel carries traffic, and memory is bounded."""
        def judged(lab):
            try:
                action(lab, **parameters)
                lab.expect_unharmed()
            except Failure as failure:
                raise Failure(f"{clause}: {failure}") from failure
        table.add(name, judged, lane=lane)
        clauses[name] = clause

    for register in CHAPTERS:
        register(add)
    if "--list" in options:
        for case in table.choose(names):
            print(f"{case.name:44} {clauses[case.name]}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return execute(table, names, AbuseLaboratory, WORKERS)


sys.exit(main())
