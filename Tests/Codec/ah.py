"""AH as Scapy has it: random packets of every algorithm that both know, in both directions."""

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, SecurityAssociation
from scapy.packet import raw

from Tests.Codec.packets import GATEWAYS, hexadecimal

ALGORITHMS = {"sha1": ("HMAC-SHA1-96", 20), "md5": ("HMAC-MD5-96", 16),
              "sha256": ("SHA2-256-128", 32), "sha384": ("SHA2-384-192", 48),
              "sha512": ("SHA2-512-256", 64), "aescmac": ("AES-CMAC-96", 16)}


def tunnel_header(version, inner, number):
    """The header that Cygnet sets before an AH packet."""
    source, target = GATEWAYS[version]
    traffic_class = inner.tos if inner.version == 4 else inner.tc
    if version == 6:
        return IPv6(src=source, dst=target, tc=traffic_class, hlim=64)
    may_be_cut = inner.version == 4 and not inner.flags.DF
    return IP(src=source, dst=target, id=number & 0xFFFF, tos=traffic_class, ttl=64,
              flags="" if may_be_cut else "DF")


def line(dice, algorithm, mode, version, is_extended):
    name, key_length = ALGORITHMS[algorithm]
    key, spi = dice.octets(key_length), dice.within(256, 0xFFFFFFFF)
    high = dice.within(1, 0xFFFFFFFE) << 32 if is_extended else 0
    number = high + dice.within(6, 0xFFFFFFF0)
    inner = (dice.end_packet(version, dice.within(1, 65535)) if mode == "transport"
             else dice.inner_packet())
    header = tunnel_header(version, inner, number) if mode == "tunnel" else None
    association = SecurityAssociation(
        AH, spi=spi, auth_algo=name, auth_key=key, tunnel_header=header,
        esn_en=is_extended, esn=number >> 32)
    made = raw(association.encrypt(inner, seq_num=number & 0xFFFFFFFF))
    return " ".join([mode, algorithm] + [hexadecimal(each) for each in (
        key, spi.to_bytes(4, "big"), number.to_bytes(8, "big"), bytes([is_extended]), raw(inner),
        made)])
