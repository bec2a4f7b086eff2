"""The checks that a planted fault has to get past: the simulator, then the unit tests."""

import os
import re
from dataclasses import dataclass

from .tree import Tree

BUILD_SECONDS = 1800
CHECK_SECONDS = 1800
FIRST_SEEDS = 50
FAILED = r'✘ Test "?(.+?)"? recorded an issue'
TESTED = (
    "IPsecPrimitives", "IKEMessages", "IKECredentials", "IKEProtocol", "ConnectionControl",
    "PacketProtection", "IPsecCrypto",
)
STRICT = ["--explicit-target-dependency-import-check", "error"]
# One build serves both checks. Made for debugging, it leaves little more than the changed file to
# compile; the simulator is four times as slow unless it is optimised.
BUILD = ["-c", "debug", "-Xswiftc", "-O"]


@dataclass(frozen=True)
class Finding:
    """What became of a mutant under one kind of check."""

    by: str | None
    """What found it, or nothing."""
    seeds: int | None = None
    """As many as it took, or as were run in vain."""


class BuildFailure(Exception):
    """The compiler refused the mutant: it proves nothing."""


def simulate(tree: Tree, seeds: int, first: int, failing: list[int]) -> Finding:
    """Looks for a seed that fails, but for those that fail without the fault as well."""
    _build_simulator(tree)
    # Most faults show at once: a few seeds first, which are not shared out.
    end, start = first + seeds, first
    while start < end:
        count = min(FIRST_SEEDS, seeds) if start == first else end - start
        known = [seed for seed in failing if start <= seed < start + count]
        status, found, run = _search(tree, count, start, len(known) + 1)
        if status == 124:
            return Finding(f"the simulation did not end within {CHECK_SECONDS} s", start - first + run)
        for seed, text in found:
            if seed not in known:
                return Finding(text, seed - first + 1)
        if status != 0 and not found:
            raise BuildFailure("the simulator failed without a violation")
        start += count
    return Finding(None, seeds)


def failing_seeds(tree: Tree, seeds: int, first: int) -> list[int]:
    """Those that fail without a fault: they prove nothing of one."""
    _build_simulator(tree)
    status, found, run = _search(tree, seeds, first, seeds)
    if status == 124 or run != seeds or (status != 0 and not found):
        raise BuildFailure("the simulator failed")
    return [seed for seed, _ in found]


def _search(
    tree: Tree, seeds: int, first: int, violations: int
) -> tuple[int, list[tuple[int, str]], int]:
    """Exit status, the violations in the order of their seeds, and how many seeds were run."""
    status, output = tree.run(
        [
            ".build/debug/cygnet-simulate", "search", "--unshrunk", "--seeds", str(seeds),
            "--from", str(first), "--violations", str(violations),
        ],
        CHECK_SECONDS,
    )
    found = re.findall(r"^seed (\d+): (.+)$", output, re.MULTILINE)
    run = _last_number(r"^(\d+) seeds, ", output) or 0
    return status, [(int(seed), text) for seed, text in found], run


def unit_tests(tree: Tree, modules: set[str] | None = None) -> Finding:
    """Runs the tests that have to do with `modules`, or all, up to the first that fails."""
    # Package.swift leaves the others out.
    os.environ["CYGNET_TESTS"] = ",".join(f"{name}Tests" for name in TESTED)
    os.environ["SWIFT_BACKTRACE"] = "enable=no"
    os.environ["NO_COLOR"] = "1"
    _build(tree, ["--product", "cygnetPackageTests"])
    command = [".build/debug/cygnetPackageTests.xctest", "--testing-library", "swift-testing"]
    if modules is not None:
        names = tree.tests_of(modules)
        if not names:
            return Finding(None)
        command += ["--filter", rf"^({'|'.join(names)})\."]
    status, output = tree.run(command, CHECK_SECONDS, until=FAILED)
    failed = re.search(FAILED, output)
    if failed:
        return Finding(failed.group(1))
    if not re.search(r"Test run with [1-9]\d* tests .*passed", output):
        return Finding(f"the tests ended with status {status}")
    return Finding(None)


def _build_simulator(tree: Tree) -> None:
    _build(tree, ["--product", "cygnet-simulate"])


def _build(tree: Tree, what: list[str]) -> None:
    status, output = tree.run(["swift", "build", *BUILD, *STRICT, *what], BUILD_SECONDS)
    if status != 0:
        errors = [line for line in output.splitlines() if "error:" in line]
        raise BuildFailure("\n".join(errors[:5]) or output[-2000:])


def _last_number(pattern: str, text: str) -> int | None:
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else None
