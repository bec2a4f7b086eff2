"""Plants one fault after another and tells which check caught it: scripts/mutants."""

import argparse
import hashlib
import json
import sys
import time

from . import page
from .checks import BuildFailure, simulate, unit_tests
from .ledger import Ledger
from .mutant import Mutant, all_mutants
from .tree import Tree, applies

CHECKS = ("simulation", "tests")


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
    tree = Tree()
    tree.prepare()
    ledger = Ledger(tree.sources)
    for number, mutant in enumerate(mutants, 1):
        patch = hashlib.sha256(mutant.path.read_bytes()).hexdigest()
        row = {} if arguments.again else ledger.row(mutant.name, patch)
        missing = [check for check in arguments.checks if check not in row.get("done", [])]
        if not missing:
            continue
        print(f"[{number}/{len(mutants)}] {mutant.name}: {mutant.fault}", file=sys.stderr, flush=True)
        started = time.monotonic()
        row = attempt(mutant, tree, arguments, missing, row)
        row["patch"] = patch
        row["seconds"] = row.get("seconds", 0) + round(time.monotonic() - started)
        ledger.add(row)
        print(f"    {verdict(row)}, {row['seconds']} s", file=sys.stderr, flush=True)
        if arguments.page:
            page.write(all_mutants(), ledger.rows)
    tree.restore()
    if arguments.page:
        page.write(all_mutants(), ledger.rows)
    return report([ledger.rows[mutant.name] for mutant in mutants], arguments.json)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/mutants",
        description="Plants one fault after another in a copy of the committed project and tells "
        "which check caught it. A run that was stopped goes on where it was.",
        epilog="example: scripts/mutants --seeds 4000 wrong-winner",
    )
    parser.add_argument("names", nargs="*", help="mutants, without .patch; none means all")
    parser.add_argument("--list", action="store_true", help="name the mutants and their faults")
    parser.add_argument("--check", action="store_true", help="only see whether each still applies")
    parser.add_argument("--again", action="store_true", help="also those that have a result")
    parser.add_argument("--only", choices=CHECKS, action="append", dest="checks",
                        help="one kind of check; the other can follow in a later run")
    parser.add_argument("--seeds", type=int, default=2000, help="seeds at most (%(default)s)")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--page", action="store_true", help="write Documentation/mutants.md")
    parser.add_argument("--json", action="store_true", help="a line of JSON a mutant")
    arguments = parser.parse_args()
    arguments.checks = arguments.checks or list(CHECKS)
    return arguments


def chosen(names: list[str]) -> list[Mutant]:
    mutants = all_mutants()
    unknown = set(names) - {mutant.name for mutant in mutants}
    if unknown:
        raise SystemExit(f"error: no mutant {', '.join(sorted(unknown))} (scripts/mutants --list)")
    return [mutant for mutant in mutants if not names or mutant.name in names]


def attempt(
    mutant: Mutant, tree: Tree, arguments: argparse.Namespace, checks: list[str], known: dict
) -> dict:
    """`known` with the results of `checks` added; `done` names the checks that have a result."""
    row: dict = {"mutant": mutant.name, "simulation": None, "tests": None, "done": []} | known
    row["error"] = None
    tree.restore()
    problem = tree.plant(mutant.path)
    if problem:
        return row | {"error": f"does not apply: {problem}"}
    try:
        if "simulation" in checks:
            found = simulate(tree, arguments.seeds, arguments.first)
            row["simulation"] = found.by if found.is_caught else None
            row["seeds"] = found.seeds
            row["done"] = [*row["done"], "simulation"]
        if "tests" in checks:
            found = unit_tests(tree)
            row["tests"] = found.by if found.is_caught else None
            row["done"] = [*row["done"], "tests"]
    except BuildFailure as failure:
        row["error"] = str(failure)
    return row


def verdict(row: dict) -> str:
    if row["error"]:
        return f"no result: {row['error']}"
    parts = []
    if row["simulation"]:
        parts.append(f"simulation, {row['seeds']} seeds: {row['simulation']}")
    if row["tests"]:
        parts.append(f"unit test: {row['tests']}")
    if parts:
        return "caught by " + "; ".join(parts)
    passed = [f"{row['seeds']} seeds"] if "simulation" in row["done"] else []
    passed += ["all tests"] if "tests" in row["done"] else []
    return "ESCAPED in " + " and ".join(passed)


def report(rows: list[dict], is_json: bool) -> int:
    for row in rows:
        print(json.dumps(row) if is_json else f"{row['mutant']}: {verdict(row)}")
    caught = [row for row in rows if not row["error"] and (row["simulation"] or row["tests"])]
    alone = [row for row in caught if not row["tests"] and "tests" in row["done"]]
    by_simulation = [row for row in caught if row["simulation"]]
    summary = f"{len(caught)} passed, {len(rows) - len(caught)} failed"
    if not is_json:
        print(f"{len(by_simulation)} caught by simulation, {len(alone)} by simulation alone")
        print(summary)
    return 0 if len(caught) == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
