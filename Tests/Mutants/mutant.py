"""One planted fault: a patch with a few words before it."""

from dataclasses import dataclass
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

    @staticmethod
    def read(path: Path) -> "Mutant":
        words: dict[str, list[str]] = {}
        key = None
        for line in path.read_text().splitlines():
            if line.startswith(("diff ", "--- ")):
                break
            if line.startswith(("Fault: ", "Origin: ")):
                key, _, line = line.partition(": ")
            if key and line.strip():
                words.setdefault(key, []).append(line.strip())
        missing = {"Fault", "Origin"} - words.keys()
        if missing:
            raise SystemExit(f"error: {path} lacks {' and '.join(sorted(missing))} before its patch")
        return Mutant(path.stem, path, " ".join(words["Fault"]), " ".join(words["Origin"]))


def all_mutants() -> list[Mutant]:
    return [Mutant.read(path) for path in sorted(FOLDER.glob("*.patch"))]
