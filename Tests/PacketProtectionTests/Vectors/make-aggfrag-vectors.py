#!/usr/bin/env python3
"""Writes aggfrag.txt: AGGFRAG payloads (RFC 9347 §6.1) and the packets that are in them.

Run from the top of the repository: python3 Tests/PacketProtectionTests/Vectors/make-aggfrag-vectors.py
Each train is a line `train`, lines `payload` in the order in which they were sent, and lines `packet`
in the order in which they must come out."""

import os
import random
import struct
import sys

sys.path.insert(0, os.getcwd())
from Tests.Lab.aggregation import Reader, Writer  # noqa: E402


def packet(dice):
    octets = dice.choice((dice.randrange(20, 60), dice.randrange(40, 200), dice.randrange(300, 2500)))
    if dice.random() < 0.5:
        return struct.pack("!BBHHHBBHII", 0x45, 0, octets, dice.randrange(1 << 16), 0, 64, 17, 0,
                           0x0A010005, 0x0A020009) + dice.randbytes(octets - 20)
    octets = max(octets, 40)
    return struct.pack("!IHBB", 6 << 28, octets - 40, 59, 64) + dice.randbytes(32) \
        + dice.randbytes(octets - 40)


def main():
    dice = random.Random(9347)
    lines = ["# Made by make-aggfrag-vectors.py."]
    for octets in (1, 2, 3, 5, 17, 64, 100, 333, 1400, 0):
        packets = [packet(dice) for _ in range(6 if octets < 20 else 20)]
        packets = packets if octets != 1 else packets[:2]
        writer = Writer(dice, packets)
        lines.append("train")
        while writer:
            size = octets or dice.randrange(1, 1500)
            lines.append(f"payload {writer.payload(size).hex()}")
        lines += [f"packet {each.hex()}" for each in packets]
    # The reader, which is strict, and the writer agree where the writer does what a sender must.
    reader = Reader()
    packets = [packet(dice) for _ in range(50)]
    stream = b"".join(packets)
    position = 0
    ends = [sum(map(len, packets[:count])) for count in range(len(packets) + 1)]
    while position < len(stream):
        offset = min(end - position for end in ends if end >= position)
        part = stream[position:position + 777]
        reader.take(struct.pack("!HH", 0, offset) + part + bytes(777 - len(part)))
        position += len(part)
    assert reader.packets == packets
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "aggfrag.txt")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


main()
