"""A table of named cases and the loop that runs them."""

import contextlib
import fnmatch
import io
import itertools
import multiprocessing
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
    def __init__(self, name, action, lane, parameters):
        self.name = name
        self.action = action
        self.lane = lane
        self.parameters = parameters


class Table:
    def __init__(self):
        self.cases = []

    def add(self, name, action, /, lane="any", **parameters):
        if any(case.name == name for case in self.cases):
            raise ValueError(f"two cases are named {name}")
        self.cases.append(Case(name, action, lane, parameters))

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


def execute(table, names, make_laboratory, workers=1):
    """Runs the chosen cases; returns the exit status. `make_laboratory` takes a folder for logs and
    returns an object with `logs()` (name to text), `reset()` and `close()`. With several workers
    each has a laboratory of its own; cases of the lane `first` all run in that of the first."""
    chosen = table.choose(names)
    folder = tempfile.mkdtemp(prefix="cygnet-lab-")
    results = Results(len(chosen))
    started = time.monotonic()
    lanes = {lane: [case for case in chosen if case.lane == lane] for lane in ("first", "any")}
    if workers == 1 or len(chosen) < 2 * workers:
        run_lane(lanes["first"] + lanes["any"], make_laboratory, folder, results.take)
    else:
        share(lanes, workers, make_laboratory, folder, results)
    for line in results.skipped:
        print(f"skipped: {line}")
    for line in results.failed:
        print(f"failed: {line}")
    if results.failed:
        print(f"logs: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{results.passed} passed, {len(results.failed)} failed")
    return 1 if results.failed else 0


class Results:
    def __init__(self, total):
        self.total = total
        self.count = self.passed = 0
        self.failed, self.skipped = [], []

    def take(self, name, word, reason, text, seconds):
        """What became of a case, told and kept."""
        self.count += 1
        if word == "ok":
            self.passed += 1
        elif word == "skipped":
            self.skipped.append(f"{name}: {reason}")
        else:
            self.failed.append(f"{name}: {reason}")
        print(f"[{self.count}/{self.total}] {name} {text}{word} ({seconds:.1f} s)", flush=True)


def run_lane(cases, make_laboratory, folder, tell):
    """Runs cases one after the other in one laboratory."""
    laboratory = None
    try:
        for case in cases:
            if laboratory is None:
                laboratory = make_laboratory(folder)
            begun, reason, output = time.monotonic(), "", io.StringIO()
            with contextlib.redirect_stdout(output):
                try:
                    case.action(laboratory, **case.parameters)
                    word = "ok"
                except Skip as skip:
                    word, reason = "skipped", str(skip)
                except Exception as error:  # a case may fail in any way, and the next one still runs
                    word = "FAILED"
                    reason = " ".join((str(error) or type(error).__name__).split())[:300]
                    report(case, error, laboratory, folder)
            tell(case.name, word, reason, output.getvalue(), time.monotonic() - begun)
            laboratory.reset()
    finally:
        if laboratory:
            laboratory.close()


def share(lanes, workers, make_laboratory, folder, results):
    """The same in several processes, which take one case after the other from what is left."""
    context = multiprocessing.get_context("fork")
    taken, making, told = context.Value("i", 0), context.Lock(), context.SimpleQueue()
    common = lanes["any"]

    def left():
        while True:
            with taken.get_lock():
                number = taken.value
                taken.value += 1
            if number >= len(common):
                return
            yield common[number]

    def make(own_folder):
        with making:
            return make_laboratory(own_folder)

    def work(number):
        own_folder = os.path.join(folder, f"worker-{number}")
        os.makedirs(own_folder)
        first = lanes["first"] if number == 0 else []
        try:
            run_lane(itertools.chain(first, left()), make, own_folder,
                     lambda *result: told.put(result))
        finally:
            told.put(None)

    processes = [context.Process(target=work, args=(number,)) for number in range(workers)]
    for process in processes:
        process.start()
    try:
        running = workers
        while running:
            result = told.get()
            if result is None:
                running -= 1
            else:
                results.take(*result)
    finally:
        for process in processes:
            if results.count < results.total:
                process.terminate()
            process.join()
    missing = results.total - results.count
    if missing:
        results.failed.append(f"{missing} cases that no worker came to")


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
