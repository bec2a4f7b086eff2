#!/usr/bin/env python3
"""Writes packets sealed by Scapy (Debian: python3-scapy): ESP in tunnel mode for scapy-esp.txt, and
in transport mode (with the word `transport`) for scapy-esp-transport.txt.

One packet a line, fields separated by blanks: suite, encryption key (salt behind it), integrity
key, SPI, whole sequence number, whether extended numbers are on, packet, ESP packet (without the IP
header before it); "-" is an empty field. The IVs are those that Cygnet's ciphers choose, so that a vector judges both
directions: Cygnet must open what Scapy sealed, and seal the very same octets.
"""
import hashlib
import hmac
import random
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Raw, raw

SUITES = [
    ("aes128gcm16", "AES-GCM", 20, None, 0),
    ("aes256gcm16", "AES-GCM", 36, None, 0),
    ("chacha20poly1305", "CHACHA20-POLY1305", 36, None, 0),
    ("aes128-sha256", "AES-CBC", 16, "SHA2-256-128", 32),
    ("aes256-sha384", "AES-CBC", 32, "SHA2-384-192", 48),
    ("aes256-sha512", "AES-CBC", 32, "SHA2-512-256", 64),
]
generator = random.Random(4303)


def octets(count):
    return bytes(generator.randrange(256) for _ in range(count))


def initialization_vector(kind, key, auth_key, number):
    if kind != "AES-CBC":
        return number.to_bytes(8, "big")
    secret = hmac.new(auth_key, b"cygnet ESP CBC IV\0" + key, hashlib.sha256).digest()[:16]
    block = number.to_bytes(8, "big") + bytes(8)
    encryptor = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def inner_packets():
    v4 = IP(src="10.1.0.5", dst="10.2.0.9", id=7)
    v6 = IPv6(src="fd00:1::5", dst="fd00:2::9")
    yield v4 / ICMP(type=8, id=1, seq=2) / Raw(octets(56))
    yield v4 / UDP(sport=40000, dport=53) / Raw(octets(33))
    yield v4 / TCP(sport=40000, dport=443, flags="PA", seq=1, ack=2) / Raw(octets(1200))
    yield v6 / ICMPv6EchoRequest(id=1, seq=2, data=octets(31))
    yield v6 / UDP(sport=40000, dport=53) / Raw(octets(500))


def end_packets():
    """What two gateways send each other, and transport mode carries."""
    v4 = IP(src="192.0.2.1", dst="198.51.100.2", id=0, flags="DF", tos=0xb8, ttl=61)
    v6 = IPv6(src="2001:db8:1::1", dst="2001:db8:2::2", tc=0x2e, hlim=59)
    yield v4 / ICMP(type=8, id=1, seq=2) / Raw(octets(56))
    yield v4 / UDP(sport=40000, dport=53) / Raw(octets(33))
    yield v4 / TCP(sport=40000, dport=443, flags="PA", seq=1, ack=2) / Raw(octets(1200))
    yield v6 / ICMPv6EchoRequest(id=1, seq=2, data=octets(31))
    yield v6 / UDP(sport=40000, dport=53) / Raw(octets(500))
    yield v6 / TCP(sport=40000, dport=443, flags="PA", seq=1, ack=2) / Raw(octets(1100))


def main(is_transport):
    for name, kind, key_length, auth, auth_length in SUITES:
        for extended in (False, True):
            number = 0x5_0000_0010 if extended else 0x10
            for inner in end_packets() if is_transport else inner_packets():
                number += 1
                key, auth_key = octets(key_length), octets(auth_length)
                spi = 0x1000_0000 + generator.randrange(1 << 24)
                association = SecurityAssociation(
                    ESP, spi=spi, crypt_algo=kind, crypt_key=key, auth_algo=auth,
                    auth_key=auth_key or None,
                    tunnel_header=None if is_transport else IP(src="192.0.2.1", dst="198.51.100.2"),
                    esn_en=extended, esn=number >> 32)
                plain = raw(inner)
                sealed = association.encrypt(
                    inner, seq_num=number & 0xFFFFFFFF,
                    iv=initialization_vector(kind, key, auth_key, number))
                esp = raw(sealed[ESP])
                if auth and extended:
                    # Scapy 2.5 leaves the high half of the number out of ESP's HMAC, against
                    # RFC 4303 section 2.2.1: the standard library makes this value.
                    icv_length = auth_length // 2
                    covered = esp[:-icv_length] + (number >> 32).to_bytes(4, "big")
                    digest = {32: "sha256", 48: "sha384", 64: "sha512"}[auth_length]
                    esp = esp[:-icv_length] + hmac.digest(auth_key, covered, digest)[:icv_length]
                fields = [key, auth_key, spi.to_bytes(4, "big"), number.to_bytes(8, "big"),
                          bytes([extended]), plain, esp]
                print(name, *(field.hex() or "-" for field in fields))


main("transport" in sys.argv)
