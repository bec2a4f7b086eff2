"""Traffic through a tunnel, counted at both ends."""

import socket
import struct
import threading
import time


class Flow:
    """Numbered datagrams in one direction at a steady rate. `sent` and `received` count distinct
    ones; `duplicates` those that came more than once."""

    SIZE = 200

    def __init__(self, source, source_address, sink, sink_address, rate=400, port=7000):
        self.sender = source.udp(source_address, port)
        self.receiver = sink.udp(sink_address, port + 1)
        self.receiver.settimeout(0.2)
        self.receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 21)  # SO_RCVBUFFORCE
        self.target = (sink_address, port + 1)
        self.interval = 1 / rate
        self.sent = self.duplicates = 0
        self.seen = set()
        self._sending = self._receiving = True
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def _send(self):
        padding = bytes(self.SIZE - 4)
        due = time.monotonic()
        while self._sending:
            try:
                self.sender.sendto(struct.pack("!I", self.sent) + padding, self.target)
                self.sent += 1
            except OSError:
                pass  # refused locally: it was never sent
            due += self.interval
            time.sleep(max(0, due - time.monotonic()))

    def _receive(self):
        while self._receiving:
            try:
                number = struct.unpack("!I", self.receiver.recv(2048)[:4])[0]
            except (TimeoutError, OSError):
                continue
            if number in self.seen:
                self.duplicates += 1
            self.seen.add(number)

    @property
    def received(self):
        return len(self.seen)

    @property
    def missing(self):
        return self.sent - self.received

    def stop(self, tail=0.4):
        """Ends the sending, waits for what is still under way, and closes."""
        self._sending = False
        self._threads[0].join()
        # However slow the machine is: until all is there, or nothing has come for a while.
        end = time.monotonic() + 10
        seen, quiet_until = self.received, time.monotonic() + 2
        while self.missing and time.monotonic() < min(quiet_until, end):
            time.sleep(0.02)
            if self.received != seen:
                seen, quiet_until = self.received, time.monotonic() + 2
        time.sleep(tail)
        self._receiving = False
        self._threads[1].join()
        self.sender.close()
        self.receiver.close()
        return self
