"""What goes through the tunnel meanwhile: one TCP stream at a fixed rate, and counted datagrams."""

import json
import os
import time

from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Background, Failure

PORT = 7100
OCTETS = 200


class Load:
    def __init__(self, network, program, folder, options, seconds):
        self.sent = self.received = self.retransmissions = self.duplicates = 0
        self.gigabits = 0.0
        self._right = network.right
        self._duplicates_before = self._duplicates()
        self._running = []

        def start(namespace, name, *words):
            log = os.path.join(folder, name)
            open(log, "w").close()
            self._running.append(Background(namespace.command(*words), log))
            return self._running[-1]

        self.receiver = start(network.right, "received", program, "receive", RIGHT.inner[4],
                              str(PORT), str(seconds + 60))
        start(network.right, "server", "iperf3", "-s", "-1", "-B", RIGHT.inner[4])
        time.sleep(0.5)
        self.sender = start(network.left, "sent", program, "send", RIGHT.inner[4], str(PORT),
                            str(options.datagrams), str(seconds), str(OCTETS))
        self.client = start(network.left, "client", "iperf3", "-J", "-c", RIGHT.inner[4],
                            "-B", LEFT.inner[4], "-t", str(int(seconds)),
                            "-b", f"{options.bits}M")

    def finish(self):
        """Waits for both to end, and counts."""
        for one in (self.sender, self.client):
            one.process.wait(30)
        time.sleep(1)
        self.receiver.stop()
        try:
            self.sent, self.received = int(self.sender.output()), int(self.receiver.output())
        except ValueError:
            raise Failure(f"the datagrams' programs said {self.sender.output()!r} and "
                          f"{self.receiver.output()!r}") from None
        answer = json.loads(self.client.output())
        if "error" in answer:
            raise Failure(f"iperf3: {answer['error']}")
        self.retransmissions = answer["end"]["sum_sent"]["retransmits"]
        self.duplicates = self._duplicates() - self._duplicates_before
        self.gigabits = answer["end"]["sum_received"]["bytes"] * 8 / 1e9

    def _duplicates(self):
        """TCP segments that the receiver had already, as its kernel counts what it acknowledges by
        DSACK (RFC 2883): the first one was late, because the machine had no time, and not lost."""
        names, values = (line.split()[1:] for line in self._right.run(
            "cat", "/proc/net/netstat").splitlines()[:2])
        counts = dict(zip(names, map(int, values)))
        return counts["TCPDSACKOldSent"] + counts["TCPDSACKOfoSent"]

    def stop(self):
        for one in self._running:
            one.stop()
