"""What goes through the tunnel meanwhile: one TCP stream at a fixed rate, and counted datagrams."""

import json
import os
import time

from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Background, Failure

PORT = 7100
# What the receiver's kernel counts of segments that came and that it threw away.
THROWN_AWAY = ("TCPBacklogDrop", "TCPRcvQDrop", "TCPZeroWindowDrop", "TCPOFODrop", "RcvPruned",
               "OfoPruned")
OCTETS = 200


class Load:
    def __init__(self, network, program, folder, options, seconds):
        self.sent = self.received = self.retransmissions = self.duplicates = 0
        self.gigabits = 0.0
        self._left, self._right = network.left, network.right
        self._before = self._duplicates(), self._thrown_away()
        self.thrown_away = {}
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
        duplicates, thrown_away = self._before
        self.duplicates = self._duplicates() - duplicates
        self.thrown_away = {name: count - thrown_away[name]
                            for name, count in self._thrown_away().items()
                            if count > thrown_away[name]}
        self.gigabits = answer["end"]["sum_received"]["bytes"] * 8 / 1e9

    def _duplicates(self):
        """TCP segments that came twice, as the receiver said by DSACK (RFC 2883): the first one was late,
        because the machine had no time, and not lost. Of what the receiver itself counts each is a
        packet of the kernel, which may hold many segments; the sender counts these."""
        return self._counters(self._left)["TCPDSACKRecvSegs"]

    def _thrown_away(self):
        counters = self._counters(self._right)
        return {name: counters.get(name, 0) for name in THROWN_AWAY}

    @staticmethod
    def _counters(namespace):
        names, values = (line.split()[1:] for line in namespace.run(
            "cat", "/proc/net/netstat").splitlines()[:2])
        return dict(zip(names, map(int, values)))

    def stop(self):
        for one in self._running:
            one.stop()
