"""A name server that says what a case wants it to say."""

import os
import socket
import struct
import threading

TYPES = {1: 4, 28: 6}


class NameServer:
    """Answers for `names` (name to a list of addresses) at an address of a namespace, for as long
    as the block lasts; programs in `client` ask it."""

    def __init__(self, namespace, address, client, names, seconds=2):
        self.names = names
        self.seconds = seconds
        self.questions = []
        self.socket = namespace.udp(address, 53)
        self.socket.settimeout(0.1)
        # What `ip netns exec` puts over /etc.
        self.folder = f"/etc/netns/{client.name}"
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, "resolv.conf"), "w") as file:
            file.write(f"nameserver {address}\n")
        self.running = True
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while self.running:
            try:
                query, source = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.socket.sendto(self._answer(query), source)

    def _answer(self, query):
        """RFC 1035 §4.1: the header, the question again, and records that point at its name."""
        labels, index = [], 12
        while query[index]:
            labels.append(query[index + 1:index + 1 + query[index]].decode())
            index += 1 + query[index]
        name = ".".join(labels)
        kind, = struct.unpack_from(">H", query, index + 1)
        self.questions.append(name)
        known = self.names.get(name)
        family = {4: socket.AF_INET, 6: socket.AF_INET6}
        records = b""
        count = 0
        for address in known or []:
            if (6 if ":" in address else 4) != TYPES.get(kind):
                continue
            data = socket.inet_pton(family[TYPES[kind]], address)
            records += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, self.seconds, len(data)) + data
            count += 1
        flags = 0x8180 if known is not None else 0x8183
        return (query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0)
                + query[12:index + 5] + records)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        self.socket.close()
        os.unlink(os.path.join(self.folder, "resolv.conf"))
        os.rmdir(self.folder)
