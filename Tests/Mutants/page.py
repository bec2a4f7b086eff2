"""The page that lists the mutants and what caught each: Documentation/mutants.md."""

from .mutant import Mutant
from .tree import ROOT

PAGE = ROOT / "Documentation" / "mutants.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"


def write(mutants: list[Mutant], rows: dict[str, dict]) -> None:
    """Puts the results between the two marks; what a person wrote around them stays."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"error: {PAGE} lacks the marks {BEGIN.strip()} and {END.strip()}")
    PAGE.write_text(before + BEGIN + "\n" + table(mutants, rows) + "\n" + END + after)


def table(mutants: list[Mutant], rows: dict[str, dict]) -> str:
    lines = ["| mutant | fault | from | simulation | unit test |", "|---|---|---|---|---|"]
    for mutant in mutants:
        row = rows.get(mutant.name, {"done": []})
        cells = [
            f"`{mutant.name}`", mutant.fault, mutant.origin, simulation(row), tests(row)
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n\n" + summary(mutants, rows) + "\n"


def simulation(row: dict) -> str:
    if "simulation" not in row["done"]:
        return "not run"
    if not row["simulation"]:
        return f"nothing in {row['seeds']} seeds"
    check = row["simulation"].split(":")[0].split(" at ")[0]
    return f"{check}, {row['seeds']} seeds"


def tests(row: dict) -> str:
    if "tests" not in row["done"]:
        return "not run"
    return row["tests"] or "none"


def summary(mutants: list[Mutant], rows: dict[str, dict]) -> str:
    found = [rows[mutant.name] for mutant in mutants if mutant.name in rows]
    by_simulation = [row for row in found if row["simulation"]]
    alone = [row for row in by_simulation if "tests" in row["done"] and not row["tests"]]
    caught = [row for row in found if row["simulation"] or row["tests"]]
    commits = sorted({row["commit"][:12] for row in found})
    return (
        f"{len(mutants)} mutants; {len(caught)} caught, {len(by_simulation)} of them by the "
        f"simulation, {len(alone)} by nothing else. Commit {', '.join(commits) or 'none'}."
    )
