"""Random packets, as hosts behind gateways and gateways themselves send them."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption, IPOption_RR, IPOption_Router_Alert
from scapy.layers.inet6 import (
    HBHOptUnknown, ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, RouterAlert)
from scapy.packet import Raw, raw

GATEWAYS = {4: ("192.0.2.1", "198.51.100.2"), 6: ("2001:db8:1::1", "2001:db8:2::2")}
OUTER = {4: lambda: IP(src=GATEWAYS[4][0], dst=GATEWAYS[4][1]),
         6: lambda: IPv6(src=GATEWAYS[6][0], dst=GATEWAYS[6][1])}
LONGEST = 1300


def hexadecimal(octets):
    return octets.hex() or "-"


class Dice:
    """One seed, one sequence of packets."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def octets(self, count):
        return self.random.randbytes(count)

    def within(self, first, last):
        return self.random.randint(first, last)

    def choice(self, of):
        return self.random.choice(of)

    def inner_packet(self):
        """Between two hosts, with options or extension headers now and then."""
        if self.choice((4, 6)) == 4:
            header = IP(src=f"10.1.{self.within(0, 255)}.{self.within(1, 254)}",
                        dst=f"10.2.{self.within(0, 255)}.{self.within(1, 254)}",
                        id=self.within(0, 65535), tos=self.within(0, 255), ttl=self.within(1, 255),
                        flags=self.choice(("", "DF")))
            if self.within(0, 4) == 0:
                header.options = [IPOption_Router_Alert(),
                                  IPOption_RR(length=7, routers=["0.0.0.0"]), IPOption(b"\x01")]
        else:
            header = IPv6(src=f"fd00:1::{self.within(1, 0xFFFF):x}",
                          dst=f"fd00:2::{self.within(1, 0xFFFF):x}", tc=self.within(0, 255),
                          fl=self.within(0, 0xFFFFF), hlim=self.within(1, 255))
            if self.within(0, 4) == 0:
                header = header / IPv6ExtHdrHopByHop(options=[
                    RouterAlert(), HBHOptUnknown(otype=0x1E, optdata=self.octets(4))])
            if self.within(0, 4) == 0:
                header = header / IPv6ExtHdrDestOpt(options=[
                    HBHOptUnknown(otype=0x1E, optdata=self.octets(self.within(0, 20)))])
        return self.finished(header)

    def end_packet(self, version, identification=0):
        """Between two gateways themselves; where their system makes the header before it is sent,
        `identification` is 0."""
        source, target = GATEWAYS[version]
        if version == 4:
            header = IP(src=source, dst=target, id=identification, flags="DF", tos=self.within(0, 63) << 2,
                        ttl=self.within(1, 255))
        else:
            header = IPv6(src=source, dst=target, tc=self.within(0, 63) << 2,
                          hlim=self.within(1, 255))
        return self.finished(header)

    def finished(self, header):
        version = header.version
        body = Raw(self.octets(self.within(0, self.choice((8, 64, LONGEST)))))
        kind = self.within(0, 2)
        ports = {"sport": self.within(1024, 65535), "dport": self.within(1024, 65535)}
        if kind == 0:
            packet = header / UDP(**ports) / body
        elif kind == 1:
            packet = header / TCP(**ports, flags="PA", seq=self.within(0, 0xFFFFFFFF)) / body
        elif version == 4:
            packet = header / ICMP(type=8, id=self.within(0, 65535)) / body
        else:
            packet = header / ICMPv6EchoRequest(id=self.within(0, 65535), data=raw(body))
        # As it arrives, with every length and checksum.
        return packet.__class__(raw(packet))
