#!/usr/bin/env python3
"""Writes scapy-ah.txt: AH packets made by Scapy (Debian: python3-scapy).

One packet a line, fields separated by blanks: mode, algorithm, key, SPI, whole sequence number,
whether extended numbers are on, packet before AH, packet with AH and its own or its outer IP header.
Scapy has no AES-GMAC for AH: there it says what is covered, and the cryptography package makes the
value of RFC 4543 section 4.
"""
import random
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption, IPOption_RR, IPOption_Router_Alert
from scapy.layers.inet6 import (
    HBHOptUnknown, ICMPv6EchoRequest, IPv6, IPv6ExtHdrHopByHop, RouterAlert)
from scapy.layers.ipsec import AH, SecurityAssociation, zero_mutable_fields
from scapy.packet import Raw, raw

ALGORITHMS = [
    ("sha1", "HMAC-SHA1-96", 20), ("md5", "HMAC-MD5-96", 16), ("sha256", "SHA2-256-128", 32),
    ("sha384", "SHA2-384-192", 48), ("sha512", "SHA2-512-256", 64), ("aescmac", "AES-CMAC-96", 16),
    ("aes128gmac", None, 20), ("aes192gmac", None, 28), ("aes256gmac", None, 36),
]
generator = random.Random(4302)
TUNNEL = {4: ("192.0.2.1", "198.51.100.2"), 6: ("2001:db8:1::1", "2001:db8:2::2")}


def octets(count):
    return bytes(generator.randrange(256) for _ in range(count))


def inner_packets():
    v4 = IP(src="10.1.0.5", dst="10.2.0.9", id=7)
    v6 = IPv6(src="fd00:1::5", dst="fd00:2::9")
    yield v4 / UDP(sport=40000, dport=53) / Raw(octets(33))
    yield v4 / TCP(sport=40000, dport=443, flags="PA", seq=1, ack=2) / Raw(octets(1200))
    yield v6 / ICMPv6EchoRequest(id=1, seq=2, data=octets(31))


def end_packets():
    v4 = IP(src="192.0.2.1", dst="198.51.100.2", id=9, flags="DF", tos=0xb8, ttl=61)
    v6 = IPv6(src="2001:db8:1::1", dst="2001:db8:2::2", tc=0x2e, hlim=59, fl=0x12345)
    options = [IPOption_Router_Alert(), IPOption_RR(length=7, routers=["0.0.0.0"]),
               IPOption(b"\x01")]
    hop = IPv6ExtHdrHopByHop(options=[
        RouterAlert(), HBHOptUnknown(otype=0x3e, optdata=octets(4)),
        HBHOptUnknown(otype=0x1e, optdata=octets(2))])
    yield v4 / ICMP(type=8, id=1, seq=2) / Raw(octets(56))
    yield v4 / TCP(sport=40000, dport=443, flags="PA", seq=1, ack=2) / Raw(octets(1201))
    yield IP(src=v4.src, dst=v4.dst, id=9, options=options) / UDP(sport=9, dport=8) / Raw(octets(9))
    yield v6 / UDP(sport=40000, dport=53) / Raw(octets(500))
    yield v6 / hop / UDP(sport=40000, dport=53) / Raw(octets(17))


def tunnel_header(version, inner, number):
    source, target = TUNNEL[version]
    kind = inner.tos if inner.version == 4 else inner.tc
    if version == 6:
        return IPv6(src=source, dst=target, tc=kind, hlim=64)
    fragments = inner.version == 4 and not inner.flags.DF
    return IP(src=source, dst=target, id=number & 0xffff, tos=kind, ttl=64,
              flags="" if fragments else "DF")


def authenticated(algorithm, key, spi, number, extended, header, inner):
    association = SecurityAssociation(
        AH, spi=spi, auth_algo=algorithm or "NULL", auth_key=key if algorithm else None,
        tunnel_header=header, esn_en=extended, esn=number >> 32)
    if algorithm:
        return raw(association.encrypt(inner, seq_num=number & 0xffffffff))
    # Eight octets of IV and sixteen of ICV stand in the place of the ICV.
    association.auth_algo = type("GMAC", (), {
        "icv_size": 24, "sign": staticmethod(lambda packet, *_, **__: packet)})
    packet = association.encrypt(inner, seq_num=number & 0xffffffff)
    covered = raw(zero_mutable_fields(packet.__class__(raw(packet)), sending=True))
    if extended:
        covered += struct.pack("!L", number >> 32)
    vector = number.to_bytes(8, "big")
    tag = AESGCM(key[:-4]).encrypt(key[-4:] + vector, b"", covered)
    text = raw(packet)
    place = text.index(spi.to_bytes(4, "big") + (number & 0xffffffff).to_bytes(4, "big")) + 8
    return text[:place] + vector + tag + text[place + 24:]


def main():
    for name, algorithm, key_length in ALGORITHMS:
        for extended in (False, True):
            number = 0x5_0000_0010 if extended else 0x10
            for mode, version, packets in (
                    ("tunnel", 4, inner_packets()), ("tunnel", 6, inner_packets()),
                    ("transport", 0, end_packets())):
                for inner in packets:
                    number += 1
                    inner = inner.__class__(raw(inner))
                    key, spi = octets(key_length), 0x1000_0000 + generator.randrange(1 << 24)
                    header = tunnel_header(version, inner, number) if version else None
                    made = authenticated(algorithm, key, spi, number, extended, header, inner)
                    fields = [key, spi.to_bytes(4, "big"), number.to_bytes(8, "big"),
                              bytes([extended]), raw(inner), made]
                    print(mode, name, *(field.hex() for field in fields))


main()
