"""The page that lists the mutants and what caught each: Documentation/mutants.md."""

import re
from collections import Counter
from dataclasses import dataclass

from .ledger import Ledger, Row
from .mutant import Mutant
from .tree import ROOT

PAGE = ROOT / "Documentation" / "mutants.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"


NOT_RUN, NO_TEST, NOTHING = "not run", "none", "nothing in "


@dataclass(frozen=True)
class Line:
    """A row of the table, as it is to be read."""

    mutant: str
    fault: str
    origin: str
    simulation: str
    tests: str

    @property
    def is_by_simulation(self) -> bool:
        return self.simulation != NOT_RUN and not self.simulation.startswith(NOTHING)

    @property
    def is_by_simulation_alone(self) -> bool:
        return self.is_by_simulation and self.tests == NO_TEST

    @property
    def is_caught(self) -> bool:
        return self.is_by_simulation or self.tests not in (NOT_RUN, NO_TEST)

    @property
    def text(self) -> str:
        cells = [f"`{self.mutant}`", self.fault, self.origin, self.simulation, self.tests]
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    @staticmethod
    def read(text: str) -> "Line | None":
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", text)[1:-1]]
        if len(cells) != 5 or not re.fullmatch(r"`[a-z0-9-]+`", cells[0]):
            return None
        return Line(cells[0].strip("`"), *cells[1:])


def write(mutants: list[Mutant], ledger: Ledger) -> None:
    """Puts the results between the two marks; what a person wrote around them stays."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    standing, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"error: {PAGE} lacks the marks {BEGIN.strip()} and {END.strip()}")
    results = table(mutants, ledger, standing)
    PAGE.write_text(before + BEGIN + "\n" + results + "\n" + END + after)


def table(mutants: list[Mutant], ledger: Ledger, standing: str) -> str:
    """What the ledger does not know stays as it stands, while the fault is described as it was."""
    known = {line.mutant: line for line in map(Line.read, standing.splitlines()) if line}
    rows = [ledger.row(mutant.name, mutant.digest) for mutant in mutants]
    lines = []
    for mutant, row in zip(mutants, rows):
        before = known.get(mutant.name)
        if before and before.fault != mutant.fault:
            before = None
        lines.append(Line(
            mutant.name, mutant.fault, mutant.origin,
            simulation(row) or (before.simulation if before else NOT_RUN),
            tests(row) or (before.tests if before else NOT_RUN),
        ))
    head = ["| mutant | fault | from | simulation | unit test |", "|---|---|---|---|---|"]
    return "\n".join(head + [line.text for line in lines]) + "\n\n" + summary(lines, rows) + "\n"


def simulation(row: Row) -> str | None:
    if not row.is_done("simulation"):
        return None
    by = row.caught("simulation")
    if not by:
        return f"{NOTHING}{row.seeds} seeds"
    # "570.000 s: convergence: g0-g1/t0 is not up"; or of a run that did not come to its end, a sentence.
    told = re.match(r"[\d.]+ s: (\w+): ", by)
    check = told.group(1) if told else by
    return f"{check}, {row.seeds} seed" + ("s" if row.seeds != 1 else "")


def tests(row: Row) -> str | None:
    if not row.is_done("tests"):
        return None
    return row.caught("tests") or NO_TEST


def summary(lines: list[Line], rows: list[Row]) -> str:
    commits = Counter(
        result["commit"][:12] for row in rows for result in row.results.values()
    )
    told = ", ".join(f"{commit} {count}" for commit, count in commits.most_common()) or "none"
    cells = sum((line.simulation != NOT_RUN) + (line.tests != NOT_RUN) for line in lines)
    earlier = cells - sum(commits.values())
    return (
        f"{len(lines)} mutants; {sum(line.is_caught for line in lines)} caught, "
        f"{sum(line.is_by_simulation for line in lines)} of them by the simulation, "
        f"{sum(line.is_by_simulation_alone for line in lines)} by the simulation alone. "
        f"Results by commit: {told}{f', of earlier ones {earlier}' if earlier else ''}."
    )
