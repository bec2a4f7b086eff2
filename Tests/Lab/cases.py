"""A table of named cases and the loop that runs them."""

import fnmatch
import os
import shutil
import sys
import tempfile
import time
import traceback

from Tests.Lab.processes import Failure


class Skip(Exception):
    """A case that cannot run here, and why."""


class Case:
    def __init__(self, name, action, parameters):
        self.name = name
        self.action = action
        self.parameters = parameters


class Table:
    def __init__(self):
        self.cases = []

    def add(self, name, action, **parameters):
        if any(case.name == name for case in self.cases):
            raise ValueError(f"two cases are named {name}")
        self.cases.append(Case(name, action, parameters))

    def case(self, name, **parameters):
        """Decorates a function as one case."""
        def register(action):
            self.add(name, action, **parameters)
            return action
        return register

    def choose(self, names):
        if not names:
            return self.cases
        chosen = [case for case in self.cases
                  if any(fnmatch.fnmatch(case.name, name) for name in names)]
        if not chosen:
            raise SystemExit(f"no case is named {' '.join(names)} (--list shows them)")
        return chosen


def execute(table, names, make_laboratory):
    """Runs the chosen cases in one laboratory; returns the exit status. `make_laboratory` takes a
    folder for logs and returns an object with `logs()` (name to text), `reset()` and `close()`."""
    chosen = table.choose(names)
    folder = tempfile.mkdtemp(prefix="cygnet-lab-")
    passed, failed, skipped = 0, [], []
    started = time.monotonic()
    laboratory = None
    try:
        laboratory = make_laboratory(folder)
        for number, case in enumerate(chosen, 1):
            begun = time.monotonic()
            print(f"[{number}/{len(chosen)}] {case.name} ", end="", flush=True)
            try:
                case.action(laboratory, **case.parameters)
                passed += 1
                word = "ok"
            except Skip as reason:
                skipped.append(f"{case.name}: {reason}")
                word = "skipped"
            except Exception as error:  # a case may fail in any way, and the next one still runs
                failed.append(case.name)
                word = "FAILED"
                report(case, error, laboratory, folder)
            print(f"{word} ({time.monotonic() - begun:.1f} s)", flush=True)
            laboratory.reset()
    finally:
        if laboratory:
            laboratory.close()
    for line in skipped:
        print(f"skipped: {line}")
    for name in failed:
        print(f"failed: {name}")
    if failed:
        print(f"logs: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


def report(case, error, laboratory, folder):
    """Prints why a case failed, keeps every log of it, and prints their ends."""
    text = str(error) if isinstance(error, Failure) else traceback.format_exc()
    print("\n" + "\n".join("    " + line for line in text.strip().splitlines()))
    kept = os.path.join(folder, case.name.replace("/", "-"))
    os.makedirs(kept, exist_ok=True)
    for name, content in laboratory.logs().items():
        with open(os.path.join(kept, name), "w") as file:
            file.write(content)
        tail = content.strip().splitlines()[-15:]
        print(f"    --- end of {name}")
        for line in tail:
            print("    | " + line)


def arguments_of(description):
    """The names on the command line, and the options `--list` and what else starts with dashes."""
    options = [word for word in sys.argv[1:] if word.startswith("--")]
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    if "--help" in options:
        print(description)
        raise SystemExit(0)
    return options, names
