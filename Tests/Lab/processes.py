"""Running programs: one call for those that end, an object for those that stay."""

import os
import signal
import subprocess
import time


class Failure(Exception):
    """What a case saw instead of what it expected."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


def run(*command, check=True, timeout=60, **options):
    """Runs a command to its end and returns its output; a failure carries that output."""
    done = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, **options)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def status_of(*command, timeout=60):
    """Runs a command and returns (exit status, output)."""
    done = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout)
    return done.returncode, done.stdout


def wait_until(condition, what, seconds=15.0, every=0.02):
    """Returns the first true value of `condition`; otherwise fails, saying what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:g} s in vain: {what}")
        time.sleep(every)


def processor_seconds(pid):
    """What a process has used of processors since it began."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Background:
    """A program that runs beside the tests, with its output in a file."""

    def __init__(self, command, log, environment=None):
        self.command = [str(word) for word in command]
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def stop(self, how=signal.SIGTERM, seconds=15.0):
        """Signals the program, waits for its end (by force when it lasts) and returns its status."""
        if self.is_running():
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def output(self):
        with open(self.log, errors="replace") as file:
            return file.read()
