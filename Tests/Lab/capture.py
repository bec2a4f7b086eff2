"""A capture on one interface, sorted by what each frame is."""

import ctypes
import socket
import struct
import subprocess
import threading

ETH_P_ALL = 3
SO_TIMESTAMPNS = 35
OUTGOING = 4


class Frame:
    """One frame: its direction, its kind (ike, esp, ah, esp-in-udp, keepalive, neighbour, icmp-error,
    fragment or clear), and where it came from and goes to."""

    def __init__(self, data, is_outgoing):
        self.data = data
        self.is_outgoing = is_outgoing
        self.kind, self.version, self.source, self.target = "clear", 0, "", ""
        self.payload = b""
        self.ip_length = 0
        self.ports = (0, 0)
        self.time = 0.0  # when the kernel saw it, in seconds
        self._classify()

    def _classify(self):
        ethertype = struct.unpack("!H", self.data[12:14])[0]
        packet = self.data[14:]
        if ethertype == 0x0806:
            self.kind = "neighbour"
        elif ethertype == 0x0800:
            self.version = 4
            header = (packet[0] & 15) * 4
            self.ip_length = struct.unpack("!H", packet[2:4])[0]
            self.source, self.target = (socket.inet_ntop(socket.AF_INET, packet[at:at + 4])
                                        for at in (12, 16))
            fragment = struct.unpack("!H", packet[6:8])[0]
            if fragment & 0x3FFF:
                self.kind = "fragment"
            else:
                self._classify_transport(packet[9], packet[header:self.ip_length])
        elif ethertype == 0x86DD:
            self.version = 6
            self.ip_length = 40 + struct.unpack("!H", packet[4:6])[0]
            self.source, self.target = (socket.inet_ntop(socket.AF_INET6, packet[at:at + 16])
                                        for at in (8, 24))
            if packet[6] == 44:
                self.kind = "fragment"
            else:
                self._classify_transport(packet[6], packet[40:self.ip_length])
        else:
            self.kind = "neighbour"

    def _classify_transport(self, protocol, body):
        self.payload = body
        if protocol == 50:
            self.kind = "esp"
        elif protocol == 51:
            self.kind = "ah"
        elif protocol == 17 and len(body) >= 8:
            self.ports = struct.unpack("!HH", body[:4])
            self.payload = body[8:]
            if 500 in self.ports:
                self.kind = "ike"
            elif 4500 in self.ports or self.ports[0] >= 20000 and self.ports[1] == 4500:
                if self.payload == b"\xff":
                    self.kind = "keepalive"
                else:
                    self.kind = "ike" if self.payload[:4] == bytes(4) else "esp-in-udp"
        elif protocol == 1 and body[:1] in (b"\x03", b"\x0b"):
            self.kind = "icmp-error"
        elif protocol == 58:
            kind = body[0] if body else 0
            if kind in (1, 2, 3):
                self.kind = "icmp-error"
            elif 130 <= kind <= 143:
                self.kind = "neighbour"
        elif protocol == 0:
            self.kind = "neighbour"  # hop-by-hop options: multicast listener reports

    def quoted(self):
        """What an ICMP error quotes, as a frame of its own."""
        return Frame(self.data[:14] + self.payload[8:], self.is_outgoing)

    def __repr__(self):
        arrow = "out" if self.is_outgoing else "in"
        return (f"{arrow} {self.kind} {self.source}:{self.ports[0]} → {self.target}:{self.ports[1]}"
                f" {self.ip_length} bytes")


# Passes all but IKE and whole ESP packets, so that a capture of what must not be there keeps up.
UNPROTECTED = "not (esp or ip6 proto 50 or udp port 500 or udp port 4500)"


def attach_filter(target, expression):
    """Lets the kernel hand over only what tcpdump's `expression` says."""
    lines = subprocess.run(["tcpdump", "-y", "EN10MB", "-ddd", expression], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.splitlines()[1:]
    program = b"".join(struct.pack("=HBBI", *map(int, line.split())) for line in lines)
    memory = ctypes.create_string_buffer(program)
    target.setsockopt(socket.SOL_SOCKET, 26,  # SO_ATTACH_FILTER
                      struct.pack("@HP", len(lines), ctypes.addressof(memory)))


class Capture:
    """Captures from construction to `stop`; usable as a context."""

    def __init__(self, namespace, interface, expression=None):
        # Without a protocol it hears nothing until it is bound: the filter comes first.
        self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        if expression:
            attach_filter(self.socket, expression)
        self.socket.bind((interface, ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 25)  # SO_RCVBUFFORCE
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.settimeout(0.1)
        self.frames = []
        self.lost = 0
        self._running = True
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        while self._running:
            try:
                data, notes, _, address = self.socket.recvmsg(65600, 64)
            except OSError:
                continue
            frame = Frame(data, address[2] == OUTGOING)
            for level, kind, value in notes:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanoseconds = struct.unpack("@qq", value[:16])
                    frame.time = seconds + nanoseconds / 1e9
            self.frames.append(frame)

    def stop(self):
        if self._running:
            self._running = False
            self._thread.join()
            # What did not fit into the socket's buffer (PACKET_STATISTICS: seen, lost).
            self.lost = struct.unpack("=II", self.socket.getsockopt(263, 6, 8))[1]
            self.socket.close()
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def of(self, *kinds, outgoing=None):
        return [frame for frame in list(self.frames) if frame.kind in kinds
                and (outgoing is None or frame.is_outgoing == outgoing)]

    def unprotected(self):
        """What a wire that carries only IKE and ESP must not show."""
        return self.of("clear", "fragment")

    def telling(self):
        """What tells of inner packets: those in clear, and ICMP errors that quote any. Hosts outside
        may well complain about our IKE and ESP."""
        return self.of("clear") + [frame for frame in self.of("icmp-error") if frame.quoted().kind
                                   not in ("ike", "esp", "ah", "esp-in-udp", "keepalive")]

    def counts(self):
        found = {}
        for frame in list(self.frames):
            found[frame.kind] = found.get(frame.kind, 0) + 1
        return found
