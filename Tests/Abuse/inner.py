"""What a tunnel carries besides whole packets: fragments and ICMP errors, as Scapy makes and reads them
at the other end (RFC 4301 §6.2 and §7)."""

import contextlib
import os
import socket
import time

from scapy.layers.inet import ICMP, IP, UDP, IPerror, UDPerror, defragment, fragment
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6TimeExceeded, IPerror6, IPv6, IPv6ExtHdrFragment, defragment6, fragment6)
from scapy.packet import Raw

from Tests.Abuse.laboratory import PORT
from Tests.Abuse.packets import raw_seal
from Tests.Abuse.peer import GATEWAY_INNER, GATEWAY_INNER6
from Tests.Lab.capture import Capture
from Tests.Lab.processes import expect

OWN = {4: GATEWAY_INNER, 6: GATEWAY_INNER6}
# Nobody's address that a tunnel covers, and a host that is not there.
ROUTER = {4: "172.16.9.9", 6: "fd00:99::9"}
LOST = {4: "10.1.99.1", 6: "fd00:1::99"}
OCTETS = 8000
# Seconds for what must come: what does comes at once, unless the machine is busy with something else.
PATIENCE = 5.0


def register(add):
    for version in (4, 6):
        def both(name, clause, action, **parameters):
            add(f"inner/{name}/ipv{version}", clause, action, version=version, **parameters)

        for port in (None, PORT):
            kind = "of-a-port" if port else "of-everything"
            both(f"fragments-in/{kind}", "RFC 4301 §7.1" if port is None else "RFC 4301 §7.3",
                 fragments_in, port=port)
            both(f"fragments-out/{kind}", "RFC 4301 §7.1" if port is None else "RFC 4301 §7.3",
                 fragments_out, port=port)
            both(f"errors-in/{kind}", "RFC 4301 §6.2", errors_in, port=port)
            both(f"errors-out/{kind}", "RFC 4301 §6.2", errors_out, port=port)
        both("errors-from-tunnel-to-tunnel", "RFC 4301 §6.2", between_tunnels)
        both("fragments-not-agreed-on", "RFC 7296 §1.3.1", not_agreed)
        both("fragments-before-the-first", "RFC 4301 §7.3", before_the_first)
        both("fragments-over-the-first", "RFC 4301 §7.2", over_the_first)


def whole(peer, version, body, target=None, hops=64):
    """UDP from behind the peer to the port at the gateway's side."""
    datagram = UDP(sport=5555, dport=PORT) / Raw(body)
    if version == 4:
        return IP(src=peer.inner, dst=target or OWN[4], id=os.getpid() & 0xFFFF, ttl=hops) / datagram
    return IPv6(src=peer.inner6, dst=target or OWN[6], hlim=hops) / datagram


def pieces(peer, version, body):
    packet = whole(peer, version, body)
    if version == 4:
        return fragment(packet, 1352)
    packet = (IPv6(src=packet.src, dst=packet.dst) / IPv6ExtHdrFragment(id=os.getpid())
              / packet.payload)
    return fragment6(packet, 1400)


def send(peer, version, packets):
    for packet in packets:
        peer.send_raw(raw_seal(peer.children[-1], bytes(packet), 4 if version == 4 else 41))


@contextlib.contextmanager
def listening(lab, version, port=PORT):
    with lab.network.left.udp(OWN[version], port) as receiver:
        receiver.settimeout(PATIENCE)
        yield receiver


def arrived(receiver):
    try:
        return receiver.recv(65535)
    except TimeoutError:
        return None


def fragments_in(lab, version, port):
    peer = lab.dual(port)
    with listening(lab, version) as receiver:
        for _ in range(3):
            body = os.urandom(OCTETS)
            parts = pieces(peer, version, body)
            expect(len(parts) >= 6, f"{len(parts)} fragments")
            send(peer, version, parts)
            expect(arrived(receiver) == body, "the datagram did not arrive as it was sent")


def fragments_out(lab, version, port):
    peer = lab.dual(port)
    with listening(lab, version) as sender:
        body = os.urandom(OCTETS)
        sender.sendto(body, (peer.inner if version == 4 else peer.inner6, 5555))
        parts = []
        for packet in peer.inner_packets(PATIENCE):
            parts.append(packet)
            if len(parts) >= 6:
                break
    expect(len(parts) >= 6, f"{len(parts)} packets came")
    if version == 4:
        joined = defragment(parts)
        expect(len(joined) == 1, f"they make {len(joined)} packets")
        joined = joined[0]
    else:
        joined = defragment6(parts)
    datagram = UDP(bytes(joined.payload))
    expect((datagram.sport, datagram.dport) == (PORT, 5555), f"ports {datagram.sport}, {datagram.dport}")
    expect(bytes(datagram.payload) == body, "the datagram did not arrive as it was sent")


def expect_refused(lab, peer, version, packets, reason, count):
    """So many packets are dropped for the reason, and no datagram comes together."""
    with listening(lab, version) as receiver:
        before = lab.drops().get(reason, 0)
        lab.expect_dropped(reason, lambda: send(peer, version, packets), count)
        found = lab.drops()[reason] - before
        expect(found == count, f"{found} were dropped as {reason}, not {count}")
        receiver.settimeout(0.1)
        expect(arrived(receiver) is None, "the datagram arrived")


def not_agreed(lab, version):
    """An end that did not say NON_FIRST_FRAGMENTS_ALSO does not get or send them."""
    peer = lab.dual(PORT, takes_fragments=False)
    parts = pieces(peer, version, os.urandom(OCTETS))
    expect_refused(lab, peer, version, parts, "fragmentWithoutPorts", len(parts) - 1)


def before_the_first(lab, version):
    """Without the first nobody knows whose they are."""
    peer = lab.dual(PORT)
    parts = pieces(peer, version, os.urandom(OCTETS))
    expect_refused(lab, peer, version, parts[1:], "fragmentBeforeFirst", len(parts) - 1)


def over_the_first(lab, version):
    """A fragment that would write over the ports of the first, which were held against the SA."""
    peer = lab.dual(PORT)
    parts = pieces(peer, version, os.urandom(OCTETS))
    lying = parts[1].copy()
    if version == 4:
        lying.frag = 1
        lying.chksum = None
    else:
        lying[IPv6ExtHdrFragment].offset = 1
    expect_refused(lab, peer, version, [parts[0], lying], "fragmentOverlap", 1)


@contextlib.contextmanager
def hearing(lab, version):
    """A socket of the gateway that gets every ICMP message."""
    kind = (socket.AF_INET, socket.SOCK_RAW, 1) if version == 4 else (
        socket.AF_INET6, socket.SOCK_RAW, 58)
    with lab.network.left.socket(*kind) as receiver:
        yield receiver


def from_router(receiver, version, seconds):
    """Whether an error of the router behind the peer comes."""
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            receiver.settimeout(left)
            if receiver.recvfrom(2000)[1][0] == ROUTER[version]:
                return True
    except TimeoutError:
        pass
    return False


def error(version, quoted, target=None):
    if version == 4:
        return IP(src=ROUTER[4], dst=target or OWN[4]) / ICMP(type=3, code=1) / Raw(bytes(quoted)[:28])
    return IPv6(src=ROUTER[6], dst=target or OWN[6]) / ICMPv6DestUnreach(code=3) / Raw(
        bytes(quoted)[:1000])


def errors_in(lab, version, port):
    """A router behind the peer, which no selector covers, about a packet that the gateway sent; and
    about others that it did not send by this SA."""
    peer = lab.dual(port)
    there = peer.inner if version == 4 else peer.inner6
    with listening(lab, version) as sender, hearing(lab, version) as receiver:
        sender.sendto(b"x", (there, 5555))
        sent = next(iter(peer.inner_packets(PATIENCE)), None)
        expect(sent is not None and UDP in sent and sent[UDP].sport == PORT, f"came {sent}")
        send(peer, version, [error(version, sent)])
        expect(from_router(receiver, version, PATIENCE), "the error did not arrive")
        kind = IP if version == 4 else IPv6
        others = [kind(src=OWN[version], dst=ROUTER[version]) / UDP(sport=PORT, dport=5555),
                  kind(src=there, dst=OWN[version]) / UDP(sport=PORT, dport=5555)]
        if port:
            others.append(kind(src=OWN[version], dst=there) / UDP(sport=PORT + 1, dport=5555))
        wrong = [error(version, quoted) for quoted in others]
        # To somebody who did not send what it quotes.
        wrong.append(error(version, sent, LOST[version]))
        before = lab.drops().get("selectorMismatch", 0)
        lab.expect_dropped("selectorMismatch", lambda: send(peer, version, wrong), len(wrong))
        found = lab.drops()["selectorMismatch"] - before
        expect(found == len(wrong), f"{found} of {len(wrong)} were dropped")
        expect(not from_router(receiver, version, 0.3), "an error about another packet arrived")


def errors_out(lab, version, port):
    """The gateway's kernel has no more hops for a packet, and says so by the SA, whether or not the
    tunnel is for ICMP."""
    peer = lab.dual(port)
    packet = whole(peer, version, b"x" * 64, LOST[version], hops=1)
    send(peer, version, [packet])
    found = next(iter(peer.inner_packets(PATIENCE)), None)
    expect(found is not None, "nothing came by the SA")
    kind, quoting = (ICMP, IPerror) if version == 4 else (ICMPv6TimeExceeded, IPerror6)
    expect(kind in found and (version == 6 or found[ICMP].type == 11), f"came {found.summary()}")
    expect(found.dst == packet.src, f"it is for {found.dst}")
    quoted = found[quoting]
    expect((quoted.src, quoted.dst) == (packet.src, packet.dst),
           f"it is about {quoted.src} to {quoted.dst}")
    expect(UDPerror in found and found[UDPerror].dport == PORT, "it does not show the port")


def between_tunnels(lab, version):
    """What came by one tunnel and left by another: a router behind the second says to the first that
    it got no further, and nothing of that is in clear."""
    near, far = lab.spokes()
    target = far.inner if version == 4 else far.inner6
    send(near, version, [whole(near, version, b"secret", target)])
    sent = next(iter(far.inner_packets(PATIENCE)), None)
    expect(sent is not None and UDP in sent and sent.dst == target, f"by the far tunnel came {sent}")
    with Capture(lab.network.left, "wan") as capture:
        send(far, version, [error(version, sent, sent.src)])
        # The gateway's kernel may have told of a better way meanwhile, by the near tunnel too.
        came = next((packet for packet in near.inner_packets(PATIENCE)
                     if packet.src == ROUTER[version]), None)
        time.sleep(0.2)
    expect(not capture.telling(), f"in clear: {capture.telling()}")
    expect(came is not None and came.dst == sent.src, f"by the near tunnel came {came}")
