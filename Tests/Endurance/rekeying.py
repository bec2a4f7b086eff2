"""New keys again and again: by the left end, by the right one, by both at once."""

import subprocess

from Tests.Lab.cygnet import CONNECTION

PATIENCE = 30


class Rekeying:
    def __init__(self, ends):
        self.ends = ends
        self.rounds = self.children = self.ike_sas = 0
        self.failures = []

    def once(self):
        """One round; waits until every end that asked has its new keys."""
        self.rounds += 1
        is_ike = self.rounds % 10 == 0
        asking = ([self.ends[0]], [self.ends[1]], self.ends)[self.rounds % 3]
        running = [subprocess.Popen(
            [str(word) for word in end._command("rekey", CONNECTION,
                                                *(["--ike-sa"] if is_ike else []))],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for end in asking]
        for process in running:
            try:
                text, _ = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                text, _ = process.communicate()
            if process.returncode != 0:
                self.failures.append(f"status {process.returncode}: {text.strip()[-300:]}")
        if is_ike:
            self.ike_sas += 1
        else:
            self.children += 1

    def __str__(self):
        return (f"{self.children} times new keys of the Child SA, {self.ike_sas} of the IKE SA, "
                f"{len(self.failures)} failed")
