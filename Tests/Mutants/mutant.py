"""One planted fault: a patch with a few words before it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Mutant:
    name: str
    path: Path
    fault: str
    """What is wrong, in a sentence."""
    origin: str
    """The clause that it breaks, and where the field met the same."""
    place: str
    """The first file that it changes."""

    @property
    def module(self) -> str:
        """Where it is planted."""
        return self.place.split("/")[1]

    @cached_property
    def digest(self) -> str:
        """What tells this text of the patch from another."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @staticmethod
    def read(path: Path) -> "Mutant":
        words: dict[str, list[str]] = {}
        key, place = None, ""
        for line in path.read_text().splitlines():
            if line.startswith("--- a/"):
                place = line.removeprefix("--- a/")
                break
            if line.startswith("diff "):
                key = None
            if line.startswith(("Fault: ", "Origin: ")):
                key, _, line = line.partition(": ")
            if key and line.strip():
                words.setdefault(key, []).append(line.strip())
        missing = {"Fault", "Origin"} - words.keys()
        if missing:
            raise SystemExit(f"error: {path} lacks {' and '.join(sorted(missing))} before its patch")
        return Mutant(path.stem, path, " ".join(words["Fault"]), " ".join(words["Origin"]), place)


def all_mutants() -> list[Mutant]:
    return [Mutant.read(path) for path in sorted(FOLDER.glob("*.patch"))]
