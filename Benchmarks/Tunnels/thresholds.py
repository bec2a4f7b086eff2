"""What must not get worse: thresholds kept in the repository, with a margin each."""

import json
import os

from Benchmarks.Tunnels.report import name_of

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "thresholds.json")


def violations(lines, file=FILE):
    """A sentence for each measurement that is worse than its threshold by more than the margin."""
    with open(file) as text:
        thresholds = {entry["benchmark"]: entry for entry in json.load(text)}
    found = []
    for line in lines:
        entry = thresholds.get(name_of(line))
        if entry is None:
            continue
        measured, margin = line[entry["of"]], entry["margin"]
        if measured is None:
            found.append(f"{name_of(line)}: no {entry['of']} was measured")
            continue
        if "least" in entry:
            limit = entry["least"] * (1 - margin)
            is_worse, words = measured < limit, f"at least {entry['least']:g}"
        else:
            limit = entry["most"] * (1 + margin)
            is_worse, words = measured > limit, f"at most {entry['most']:g}"
        if is_worse:
            found.append(f"{name_of(line)}: {entry['of']} {measured:g}, where {words} is "
                         f"expected, give or take {margin:.0%}")
    return found
