"""Plants one fault after another and tells which check caught it: scripts/mutants."""

import argparse
import json
import sys
import time

from . import page
from .checks import BuildFailure, failing_seeds, simulate, unit_tests
from .ledger import CHECKS, Ledger, Row
from .mutant import Mutant, all_mutants
from .tree import Tree, applies

NO_FAULT = "none"


def main() -> int:
    arguments = parse()
    mutants = chosen(arguments.names)
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.name}: {mutant.fault} ({mutant.origin})")
        return 0
    if arguments.check:
        stale = [mutant.name for mutant in mutants if not applies(mutant.path)]
        for name in stale:
            print(f"{name}: does not apply")
        print(f"{len(mutants) - len(stale)} passed, {len(stale)} failed")
        return 1 if stale else 0
    ledger = Ledger()
    failures = {} if arguments.known else run(mutants, ledger, arguments)
    if arguments.page:
        page.write(all_mutants(), ledger)
    return report(mutants, ledger, failures, arguments.json)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/mutants",
        description="Plants one fault after another in a copy of the committed project and tells "
        "which check caught it. A run that was stopped goes on where it was.",
        epilog="example: scripts/mutants --seeds 4000 wrong-winner-of-child-crossing",
    )
    parser.add_argument("names", nargs="*", help="mutants, without .patch; none means all")
    parser.add_argument("--list", action="store_true", help="name the mutants and their faults")
    parser.add_argument("--check", action="store_true", help="only see whether each still applies")
    parser.add_argument("--known", action="store_true", help="run nothing, tell what is known")
    parser.add_argument("--again", action="store_true", help="also those that have a result")
    parser.add_argument("--at", default="HEAD", metavar="COMMIT",
                        help="the state of the project to plant in (%(default)s)")
    parser.add_argument("--only", choices=CHECKS, action="append", dest="checks",
                        help="one kind of check; the other can follow in a later run")
    parser.add_argument("--seeds", type=int, default=2000, help="seeds at most (%(default)s)")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--page", action="store_true", help="write Documentation/mutants.md")
    parser.add_argument("--json", action="store_true", help="a line of JSON a result")
    arguments = parser.parse_args()
    arguments.checks = arguments.checks or list(CHECKS)
    return arguments


def chosen(names: list[str]) -> list[Mutant]:
    mutants = {mutant.name: mutant for mutant in all_mutants()}
    unknown = set(names) - mutants.keys()
    if unknown:
        raise SystemExit(f"error: no mutant {', '.join(sorted(unknown))} (scripts/mutants --list)")
    # As named; else those of one file follow one another, which leaves less to compile.
    return (
        [mutants[name] for name in names]
        or sorted(mutants.values(), key=lambda mutant: (mutant.place, mutant.name))
    )


def run(mutants: list[Mutant], ledger: Ledger, arguments: argparse.Namespace) -> dict[str, str]:
    """Fills the ledger; what had no result is returned with the reason."""
    tree = Tree(arguments.at)
    tree.prepare()
    refuse_if_broken(tree, ledger, arguments)
    failures = {}
    for number, mutant in enumerate(mutants, 1):
        row = ledger.row(mutant.name, mutant.digest)
        missing = list(arguments.checks)
        if not arguments.again:
            missing = row.missing(missing, tree.sources)
        if not missing:
            continue
        print(f"[{number}/{len(mutants)}] {mutant.name}: {mutant.fault}", file=sys.stderr, flush=True)
        try:
            attempt(mutant, tree, missing, ledger, arguments)
        except BuildFailure as failure:
            failures[mutant.name] = f"no result: {failure}"
            print(f"    {failures[mutant.name]}", file=sys.stderr, flush=True)
        if arguments.page:
            page.write(all_mutants(), ledger)
    tree.restore()
    return failures


def refuse_if_broken(tree: Tree, ledger: Ledger, arguments: argparse.Namespace) -> None:
    """A check that fails without a fault would catch every one of them."""
    wanted = [arguments.first, arguments.first + arguments.seeds]
    for check in ledger.row(NO_FAULT, "").missing(arguments.checks, tree.sources, wanted):
        print(f"{check} without a fault", file=sys.stderr, flush=True)
        started = time.monotonic()
        result: dict = {"by": None}
        try:
            if check == "simulation":
                failing = failing_seeds(tree, arguments.seeds, arguments.first)
                result = {"by": None, "range": wanted, "failing": failing}
            else:
                result = {"by": unit_tests(tree).by}
        except BuildFailure as failure:
            raise SystemExit(f"error: {failure}") from failure
        note(ledger, tree, NO_FAULT, "", check, result, started)
    failed = ledger.row(NO_FAULT, "").caught("tests")
    if "tests" in arguments.checks and failed:
        raise SystemExit(f"error: without a fault, a test fails: {failed}")


def attempt(
    mutant: Mutant, tree: Tree, checks: list[str], ledger: Ledger, arguments: argparse.Namespace
) -> None:
    """Plants the fault and runs the checks, each of which goes into the ledger when it is done."""
    tree.restore()
    problem = tree.plant(mutant.path)
    if problem:
        raise BuildFailure(f"does not apply: {problem}")
    for check in checks:
        started = time.monotonic()
        if check == "simulation":
            failing = ledger.row(NO_FAULT, "").results[check]["failing"]
            found = simulate(tree, arguments.seeds, arguments.first, failing)
        else:
            found = unit_tests(tree, {mutant.module})
        result = {"by": found.by, "seeds": found.seeds}
        note(ledger, tree, mutant.name, mutant.digest, check, result, started)


def note(
    ledger: Ledger, tree: Tree, name: str, digest: str, check: str, result: dict, started: float
) -> None:
    seconds = round(time.monotonic() - started)
    told = {"mutant": name, "patch": digest, "commit": tree.sources, "check": check}
    ledger.add(told | result | {"seconds": seconds})
    text = result["by"] or "nothing"
    print(f"    {check}: {text}, {seconds} s", file=sys.stderr, flush=True)


def verdict(row: Row) -> str:
    parts = []
    if row.caught("simulation"):
        parts.append(f"simulation, {row.seeds} seeds: {row.caught('simulation')}")
    if row.caught("tests"):
        parts.append(f"unit test: {row.caught('tests')}")
    if parts:
        return "caught by " + "; ".join(parts)
    passed = [f"{row.seeds} seeds"] if row.is_done("simulation") else []
    passed += ["all tests"] if row.is_done("tests") else []
    return "ESCAPED in " + " and ".join(passed) if passed else "not run"


def report(
    mutants: list[Mutant], ledger: Ledger, failures: dict[str, str], is_json: bool
) -> int:
    rows = [ledger.row(mutant.name, mutant.digest) for mutant in mutants]
    for row in rows:
        if is_json:
            for result in row.results.values():
                print(json.dumps(result))
        else:
            print(f"{row.mutant}: {failures.get(row.mutant) or verdict(row)}")
    caught = [row for row in rows if row.is_caught and row.mutant not in failures]
    by_simulation = [row for row in caught if row.caught("simulation")]
    alone = [row for row in caught if row.is_by_simulation_alone]
    if not is_json:
        print(f"{len(by_simulation)} caught by simulation, {len(alone)} by simulation alone")
        print(f"{len(caught)} passed, {len(rows) - len(caught)} failed")
    return 0 if len(caught) == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
