"""The copy of the project in which faults are planted."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".build-mutants"
SOURCES = ("Package.swift", "Sources")


class Tree:
    """A clone of a committed state, with a build directory that is kept between mutants."""

    def __init__(self, commit: str) -> None:
        self.path = FOLDER / "tree"
        self.commit = _output(["git", "rev-parse", "--verify", f"{commit}^{{commit}}"], ROOT)
        # What results belong to: neither this page nor a further test makes them stale.
        self.sources = _output(["git", "log", "-1", "--format=%H", self.commit, "--", *SOURCES], ROOT)

    def prepare(self) -> None:
        if not (self.path / ".git").exists():
            shutil.rmtree(self.path, ignore_errors=True)
            FOLDER.mkdir(exist_ok=True)
            _output(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(self.path)], ROOT)
        _output(["git", "fetch", "--quiet", str(ROOT), self.commit], self.path)
        self.restore()

    def restore(self) -> None:
        _output(["git", "checkout", "--quiet", "--force", "--detach", self.commit], self.path)
        _output(["git", "clean", "--quiet", "-d", "--force"], self.path)

    def plant(self, patch: Path) -> str | None:
        """Why the patch does not apply, if it does not."""
        result = _apply(self.path, patch)
        return None if result.returncode == 0 else result.stderr.strip()

    def run(
        self, command: list[str], seconds: int, until: str | None = None
    ) -> tuple[int, str]:
        """Exit status and output; 124 when it took longer than it may. Ends with the first line that
        matches `until`."""
        process = subprocess.Popen(
            command, cwd=self.path, text=True, errors="replace", start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        late = threading.Event()

        def stop() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(seconds, stop)
        timer.start()
        lines = []
        for line in process.stdout or []:
            lines.append(line)
            if until and re.search(until, line):
                os.killpg(process.pid, signal.SIGKILL)
                break
        status = process.wait()
        timer.cancel()
        return 124 if late.is_set() else status, "".join(lines)

    def tests_of(self, modules: set[str]) -> list[str]:
        """Those targets of tests that have to do with any of the modules."""
        package = json.loads(_output(["swift", "package", "dump-package"], self.path))
        leans_on = {
            target["name"]: {
                (kind.get("byName") or kind.get("target") or [""])[0]
                for kind in target["dependencies"]
            }
            for target in package["targets"]
        }
        reached = set(modules)
        while more := {name for name, below in leans_on.items() if below & reached} - reached:
            reached |= more
        return sorted(
            target["name"] for target in package["targets"]
            if target["type"] == "test" and target["name"] in reached
        )


def applies(patch: Path) -> bool:
    """Whether a patch fits the project as it stands here, committed or not."""
    return _apply(ROOT, patch, "--check").returncode == 0


def _apply(folder: Path, patch: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "apply", *options, str(patch)], cwd=folder, text=True, capture_output=True
    )


def _output(command: list[str], folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    if result.returncode != 0:
        raise SystemExit(f"error: {' '.join(command)}: {result.stderr.strip()}")
    return result.stdout.strip()
