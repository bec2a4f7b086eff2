"""The checks that a planted fault has to get past: the simulator, then the unit tests."""

import os
import re
from dataclasses import dataclass

from .tree import Tree

BUILD_SECONDS = 1800
CHECK_SECONDS = 1800
STRICT = ["--explicit-target-dependency-import-check", "error"]


@dataclass(frozen=True)
class Finding:
    """What became of a mutant under one kind of check."""

    is_caught: bool
    by: str
    seeds: int | None = None


class BuildFailure(Exception):
    """The compiler refused the mutant: it proves nothing."""


def simulate(tree: Tree, seeds: int, first: int) -> Finding:
    _build(tree, ["-c", "release", "--product", "cygnet-simulate"])
    command = [
        ".build/release/cygnet-simulate", "search",
        "--seeds", str(seeds), "--from", str(first), "--violations", "1",
    ]
    status, output = tree.run(command, CHECK_SECONDS)
    run = _last_number(r"^(\d+) seeds, ", output) or 0
    found = re.search(r"^seed \d+: (.+)$", output, re.MULTILINE)
    if status == 0:
        return Finding(False, f"nothing in {run} seeds", run)
    if status == 124:
        return Finding(True, f"the simulation did not end within {CHECK_SECONDS} s", run)
    if not found:
        raise BuildFailure(f"the simulator failed without a violation:\n{output[-2000:]}")
    return Finding(True, found.group(1), run)


def unit_tests(tree: Tree) -> Finding:
    _build(tree, ["--build-tests"])
    os.environ["SWIFT_BACKTRACE"] = "enable=no"
    names = "IKEMessages|IKECredentials|IKEProtocol|ConnectionControl|PacketProtection|IPsecCrypto"
    status, output = tree.run(
        ["swift", "test", "--skip-build", "--filter", f"({names})Tests"], CHECK_SECONDS
    )
    if status == 0:
        return Finding(False, "no unit test")
    failed = re.findall(r'✘ Test (?:case passing .*? to )?"?(.+?)"? (?:recorded|failed)', output)
    return Finding(True, failed[0] if failed else f"the tests ended with status {status}")


def _build(tree: Tree, what: list[str]) -> None:
    status, output = tree.run(["swift", "build", *STRICT, *what], BUILD_SECONDS)
    if status != 0:
        errors = [line for line in output.splitlines() if "error:" in line]
        raise BuildFailure("\n".join(errors[:5]) or output[-2000:])


def _last_number(pattern: str, text: str) -> int | None:
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else None
