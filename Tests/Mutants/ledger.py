"""What has been tried, so that a run can be stopped and go on."""

import json
from pathlib import Path

from .tree import FOLDER

CHECKS = ("simulation", "tests")


class Row:
    """What is known of one text of a mutant: of each check the newest result, with its commit."""

    def __init__(self, mutant: str, patch: str, results: dict[str, dict] | None = None) -> None:
        self.mutant = mutant
        self.patch = patch
        self.results = results or {}

    def missing(
        self, checks: list[str], commit: str, seeds: list[int] | None = None
    ) -> list[str]:
        """Those of `checks` that have not been run on this state of the sources (with these seeds)."""
        def is_known(check: str) -> bool:
            result = self.results.get(check, {})
            if seeds and check == "simulation":
                first, end = result.get("range", [0, 0])
                if seeds[0] < first or end < seeds[1]:
                    return False
            return result.get("commit") == commit
        return [check for check in checks if not is_known(check)]

    def is_done(self, check: str) -> bool:
        return check in self.results

    def caught(self, check: str) -> str | None:
        """What that check said, if it found the fault."""
        return self.results.get(check, {}).get("by")

    @property
    def seeds(self) -> int:
        return self.results["simulation"]["seeds"]

    @property
    def is_caught(self) -> bool:
        return any(self.caught(check) for check in CHECKS)

    @property
    def is_by_simulation_alone(self) -> bool:
        """Found by the simulator, and looked for by the unit tests in vain."""
        return bool(self.caught("simulation")) and self.is_done("tests") and not self.caught("tests")

    @property
    def commits(self) -> set[str]:
        return {result["commit"] for result in self.results.values()}


class Ledger:
    """A line of JSON for each result: of one mutant, one check and one state of the sources."""

    def __init__(self, path: Path = FOLDER / "results.jsonl") -> None:
        self.path = path
        self._results: list[dict] = []
        if path.exists():
            self._results = [json.loads(line) for line in path.read_text().splitlines()]

    def row(self, mutant: str, patch: str) -> Row:
        """What is known of the mutant with this text; a later result takes an earlier one's place."""
        row = Row(mutant, patch)
        for result in self._results:
            if result["mutant"] == mutant and result["patch"] == patch:
                row.results[result["check"]] = result
        return row

    def add(self, result: dict) -> None:
        self._results.append(result)
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(result) + "\n")
