"""A client for strongSwan's control protocol (vici): commands and events over a stream socket."""

import socket
import struct

from Tests.Lab.processes import Failure

COMMAND, RESPONSE, UNKNOWN_COMMAND, REGISTER, UNREGISTER, CONFIRM, UNKNOWN_EVENT, EVENT = range(8)
SECTION_START, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END = range(1, 7)


def _short(text):
    data = str(text).encode()
    return bytes([len(data)]) + data


def _long(value):
    data = value if isinstance(value, bytes) else str(value).encode()
    return struct.pack("!H", len(data)) + data


def encode(message):
    """A dictionary of strings, lists and dictionaries in wire form."""
    out = bytearray()
    for key, value in message.items():
        if isinstance(value, dict):
            out += bytes([SECTION_START]) + _short(key) + encode(value) + bytes([SECTION_END])
        elif isinstance(value, (list, tuple)):
            out += bytes([LIST_START]) + _short(key)
            for item in value:
                out += bytes([LIST_ITEM]) + _long(item)
            out += bytes([LIST_END])
        else:
            out += bytes([KEY_VALUE]) + _short(key) + _long(value)
    return bytes(out)


def decode(data):
    """The reverse of `encode`; every leaf is a string."""
    position = 0

    def take(count):
        nonlocal position
        position += count
        return data[position - count:position]

    def short():
        return take(take(1)[0]).decode()

    def long():
        return take(struct.unpack("!H", take(2))[0]).decode(errors="replace")

    def section():
        found = {}
        while position < len(data):
            kind = take(1)[0]
            if kind == SECTION_END:
                return found
            name = short()
            if kind == SECTION_START:
                found[name] = section()
            elif kind == KEY_VALUE:
                found[name] = long()
            elif kind == LIST_START:
                items = []
                while take(1)[0] == LIST_ITEM:
                    items.append(long())
                found[name] = items
        return found

    return section()


class Vici:
    def __init__(self, connected):
        self.stream = connected

    @classmethod
    def unix(cls, path):
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(path)
        return cls(stream)

    def close(self):
        self.stream.close()

    def _send(self, kind, name, body=b""):
        packet = bytes([kind]) + _short(name) + body
        self.stream.sendall(struct.pack("!I", len(packet)) + packet)

    def _receive(self):
        length = struct.unpack("!I", self._read(4))[0]
        packet = self._read(length)
        return packet[0], packet[1:]

    def _read(self, count):
        data = b""
        while len(data) < count:
            more = self.stream.recv(count - len(data))
            if not more:
                raise Failure("charon closed its control socket")
            data += more
        return data

    def request(self, name, seconds=10, /, **arguments):
        """Sends a command and returns its answer, whether or not it says success."""
        self.stream.settimeout(seconds)
        body = encode({key.replace("_", "-"): value for key, value in arguments.items()})
        self._send(COMMAND, name, body)
        while True:
            kind, packet = self._receive()
            if kind == RESPONSE:
                return decode(packet)
            if kind == UNKNOWN_COMMAND:
                raise Failure(f"charon does not know the command {name}")

    def command(self, name, seconds=10, /, **arguments):
        """Sends a command that must succeed."""
        answer = self.request(name, seconds, **arguments)
        if answer.get("success", "yes") != "yes":
            raise Failure(f"charon refuses {name}: {answer.get('errmsg', answer)}")
        return answer

    def stream_request(self, name, event, seconds=10, /, **arguments):
        """Sends a command whose results come as events, and returns those."""
        self.stream.settimeout(seconds)
        self._send(REGISTER, event)
        self._receive()
        self._send(COMMAND, name, encode(arguments))
        found = []
        while True:
            kind, packet = self._receive()
            if kind == EVENT:
                found.append(decode(packet[1 + packet[0]:]))
            elif kind == RESPONSE:
                break
        self._send(UNREGISTER, event)
        self._receive()
        return found
