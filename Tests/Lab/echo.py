"""Echo requests and their answers (RFC 792, RFC 4443 §4), counted here and not by `ping`: once it has
sent its last request that program waits no longer than its interval, or twice the slowest answer so
far, which is a verdict on how busy the machine is."""

import os
import select
import socket
import struct
import time

from Tests.Lab.frames import checksum
from Tests.Lab.processes import expect

INTERVAL = 0.05  # seconds from one request to the next
# By IP version: the protocol, a request's and an answer's type, and the socket options (level, name)
# for the fragmentation of what is sent and for the traffic class.
PROTOCOLS = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
REQUESTS, ANSWERS = {4: 8, 6: 128}, {4: 0, 6: 129}
DISCOVERY = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
CLASSES = {4: (socket.IPPROTO_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
NEVER_CUT, MAY_BE_CUT = 2, 0


class Echoes:
    """Requests of one identifier from one address, or by one device, to another address; a context,
    which closes the socket."""

    def __init__(self, namespace, source, target, size, may_be_cut, traffic_class):
        self.version = 6 if ":" in target else 4
        self.target = target
        self.identifier = struct.unpack("!H", os.urandom(2))[0]
        self.payload = bytes(at & 0xFF for at in range(size))
        self.answered = set()
        family = socket.AF_INET6 if self.version == 6 else socket.AF_INET
        self.socket = namespace.socket(family, socket.SOCK_RAW, PROTOCOLS[self.version])
        if may_be_cut is not None:
            self.socket.setsockopt(*DISCOVERY[self.version], MAY_BE_CUT if may_be_cut else NEVER_CUT)
        if traffic_class:
            self.socket.setsockopt(*CLASSES[self.version], traffic_class)
        self.socket.setblocking(False)
        if "." in source or ":" in source:
            self.socket.bind((source, 0))
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, source.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, number):
        message = struct.pack("!BBHHH", REQUESTS[self.version], 0, 0, self.identifier, number)
        message += self.payload
        if self.version == 4:  # the kernel does it for IPv6
            message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        try:
            self.socket.sendto(message, (self.target, 0))
        except OSError:
            pass  # refused here: nobody will answer

    def receive(self, until, enough):
        """Takes answers up to a time of the monotonic clock, or until there are enough."""
        while len(self.answered) < enough:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return
            try:
                message = self.socket.recv(1 << 16)
            except OSError:
                continue
            self.take(message[(message[0] & 15) * 4:] if self.version == 4 else message)

    def take(self, message):
        if len(message) < 8 or message[0] != ANSWERS[self.version]:
            return
        identifier, number = struct.unpack("!HH", message[4:8])
        if identifier == self.identifier and message[8:] == self.payload:
            self.answered.add(number)


def ping(namespace, source, target, count=2, size=56, wait=1.0, may_be_cut=None, traffic_class=0):
    """Sends echo requests of so many octets from `source`, an address or a device, and returns how many
    were answered, at the latest `wait` seconds after the last. `may_be_cut` says whether they may become
    fragments, where it is not the kernel's to say."""
    with Echoes(namespace, source, target, size, may_be_cut, traffic_class) as echoes:
        due = time.monotonic()
        for number in range(count):
            echoes.receive(due, count)
            echoes.send(number)
            due += INTERVAL
        echoes.receive(time.monotonic() + wait, count)
        return len(echoes.answered)


def expect_ping(namespace, source, target, count=2, wait=5.0, **options):
    received = ping(namespace, source, target, count, wait=wait, **options)
    expect(received == count, f"ping {source} → {target}: {received} of {count} answered")
