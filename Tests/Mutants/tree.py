"""The copy of the project in which faults are planted."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".build-mutants"
SOURCES = ("Package.swift", "Sources")


class Tree:
    """A clone of the committed state, with a build directory that is kept between mutants."""

    def __init__(self) -> None:
        self.path = FOLDER / "tree"
        self.commit = _output(["git", "rev-parse", "HEAD"], ROOT)
        # What results belong to: neither this page nor a further test makes them stale.
        self.sources = _output(["git", "log", "-1", "--format=%H", "--", *SOURCES], ROOT)

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

    def run(self, command: list[str], seconds: int) -> tuple[int, str]:
        """Exit status and output; 124 when it took longer than it may."""
        try:
            result = subprocess.run(
                command,
                cwd=self.path,
                text=True,
                errors="replace",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as expired:
            output = expired.stdout or b""
            text = output if isinstance(output, str) else output.decode(errors="replace")
            return 124, text
        return result.returncode, result.stdout


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
