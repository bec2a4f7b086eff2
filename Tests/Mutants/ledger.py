"""What has been tried, so that a run can be stopped and go on."""

import json
from pathlib import Path

from .tree import FOLDER


class Ledger:
    """A line of JSON a mutant, of one state of the sources and one text of the patch."""

    def __init__(self, commit: str, path: Path = FOLDER / "results.jsonl") -> None:
        self.commit = commit
        self.path = path
        self.rows: dict[str, dict] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                if row["commit"] == commit:
                    self.rows[row["mutant"]] = row

    def row(self, name: str, patch: str) -> dict:
        """What is known of the mutant with this text, or nothing."""
        row = self.rows.get(name, {})
        return row if row.get("patch") == patch else {}

    def add(self, row: dict) -> None:
        row = {"commit": self.commit, **row}
        self.rows[row["mutant"]] = row
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
