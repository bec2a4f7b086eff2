"""AGGFRAG payloads (RFC 9347) read and written from the text alone, for judging what a gateway sends
and for making what it has to understand.

Reading is strict: what a sender must not do is a Failure, not something to be repaired."""

import struct

from Tests.Lab.processes import Failure

NEXT_HEADER = 144
PLAIN_HEADER, CONGESTION_HEADER = 4, 24
INTEGRITY_VALUE = 16  # of HMAC-SHA2-256-128 (RFC 4868 §2.1)


def unsealed(packet):
    """SPI, sequence number, next header and payload of an ESP packet without encryption (RFC 4303 §2,
    RFC 2410), its integrity check value left out."""
    spi, sequence = struct.unpack("!II", packet[:8])
    body = packet[8:-INTEGRITY_VALUE]
    length, following = body[-2], body[-1]
    padding = body[len(body) - 2 - length:-2]
    if padding != bytes(range(1, length + 1)):
        raise Failure(f"padding of packet {sequence} is {padding.hex()}")
    return spi, sequence, following, body[:len(body) - 2 - length]


def length_of(block):
    """The octets of the packet that a data block begins with (§6.1.3), by its own header."""
    if block[0] >> 4 == 4:
        return struct.unpack("!H", block[2:4])[0]
    if block[0] >> 4 == 6:
        return 40 + struct.unpack("!H", block[4:6])[0]
    raise Failure(f"a data block of type {block[0] >> 4}")


class Reader:
    """Takes payloads in the order of their numbers, without a gap, and gives the inner packets."""

    def __init__(self):
        self.partial = b""
        self.remaining = 0
        self.packets = []
        self.padding = self.all_pad = self.shared = self.fragmented = 0

    def take(self, payload):
        kind, reserved, offset = struct.unpack("!BBH", payload[:4])
        if kind != 0 or reserved != 0:
            raise Failure(f"sub-type {kind}, reserved octet {reserved}")
        blocks = payload[PLAIN_HEADER:]
        if offset == 0 and blocks[0] >> 4 == 0:
            # All-pad, which may stand anywhere (§2.2.3).
            self.expect_padding(blocks)
            self.all_pad += 1
            return
        if offset != self.remaining:
            raise Failure(f"BlockOffset {offset}, while {self.remaining} octets of a packet are due")
        if self.remaining:
            part, blocks = blocks[:offset], blocks[offset:]
            self.partial += part
            self.remaining -= len(part)
            if self.remaining:
                return
            self.packets.append(self.partial)
            self.partial = b""
            self.fragmented += 1
        count = 0
        while blocks:
            if blocks[0] >> 4 == 0:
                self.expect_padding(blocks)
                break
            length = length_of(blocks)
            packet, blocks = blocks[:length], blocks[length:]
            if len(packet) < length:
                self.partial, self.remaining = packet, length - len(packet)
                break
            self.packets.append(packet)
            count += 1
        self.shared += count > 1

    def expect_padding(self, octets):
        if any(octets):
            raise Failure("padding that says something")
        self.padding += len(octets)


class Writer:
    """Makes payloads as any sender may: of any sizes, fragments cut anywhere, padding of any octets,
    all-pad payloads between the parts of a packet. `random` is a random.Random."""

    def __init__(self, random, packets):
        self.random = random
        self.left = list(packets)
        self.rest = b""

    def __bool__(self):
        return bool(self.left or self.rest)

    def header(self, offset):
        if self.random.random() < 0.3:
            return bytes([1, self.random.choice((0, 1, 2, 3))]) + struct.pack("!H", offset) \
                + self.random.randbytes(20)
        return struct.pack("!BBH", 0, self.random.choice((0, 0, 255)), offset)

    def padding(self, octets):
        return bytes([self.random.randrange(16)]) + self.random.randbytes(octets - 1) \
            if octets else b""

    def payload(self, octets):
        """One with so many octets of data blocks."""
        if self.random.random() < 0.15:
            return self.header(0) + self.padding(octets)
        out, blocks = self.header(len(self.rest)), b""
        part, self.rest = self.rest[:octets], self.rest[octets:]
        blocks += part
        while not self.rest and self.left and len(blocks) < octets:
            if self.random.random() < 0.1 and blocks:
                break
            packet = self.left.pop(0)
            room = octets - len(blocks)
            blocks, self.rest = blocks + packet[:room], packet[room:]
        if not self.rest:
            blocks += self.padding(octets - len(blocks))
        return out + blocks
