"""Ethernet frames made by hand: what a stranger on the link can send."""

import re
import socket
import struct


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_packet(source, target, source_port, target_port, payload):
    """An IPv4 or IPv6 packet with a UDP datagram, checksums right."""
    length = 8 + len(payload)
    if ":" in source:
        addresses = b"".join(socket.inet_pton(socket.AF_INET6, text) for text in (source, target))
        pseudo = addresses + struct.pack("!II", length, 17)
        header = struct.pack("!IHBB", 6 << 28, length, 17, 64) + addresses
    else:
        addresses = b"".join(socket.inet_aton(text) for text in (source, target))
        pseudo = addresses + struct.pack("!BBH", 0, 17, length)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, 17, 0) + addresses
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    datagram = struct.pack("!HHHH", source_port, target_port, length, 0) + payload
    datagram = datagram[:6] + struct.pack("!H", checksum(pseudo + datagram) or 0xFFFF) + payload
    return header + datagram


def protocol_packet(source, target, protocol, payload):
    """An IPv4 packet of any protocol."""
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(target)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def icmp_error(source, target, quoted, kind=None, code=1):
    """What says to `target` that the packet `quoted` was lost: as far as 500 octets of it."""
    quoted = quoted[:500]
    if ":" in source:
        body = struct.pack("!BBHI", 1 if kind is None else kind, code, 0, 0) + quoted
        addresses = b"".join(socket.inet_pton(socket.AF_INET6, text) for text in (source, target))
        found = checksum(addresses + struct.pack("!II", len(body), 58) + body)
        body = body[:2] + struct.pack("!H", found) + body[4:]
        return struct.pack("!IHBB", 6 << 28, len(body), 58, 64) + addresses + body
    body = struct.pack("!BBHI", 3 if kind is None else kind, code, 0, 0) + quoted
    return protocol_packet(source, target, 1,
                           body[:2] + struct.pack("!H", checksum(body)) + body[4:])


def hardware_address(namespace, device):
    found = re.search(r"link/ether ([0-9a-f:]+)", namespace.ip("link", "show", "dev", device))
    return bytes.fromhex(found.group(1).replace(":", ""))


class Wire:
    """Sends packets from the router straight onto the link to a gateway."""

    def __init__(self, network, side="left"):
        gateway = network.left if side == "left" else network.right
        self.socket = network.router.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((f"to-{side}", 0))
        self.source = hardware_address(network.router, f"to-{side}")
        self.target = hardware_address(gateway, "wan")

    def send(self, packet):
        kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
        self.socket.send(self.target + self.source + struct.pack("!H", kind) + packet)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
