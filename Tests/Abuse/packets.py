"""ESP, keepalives and the non-ESP marker, sent by who has the keys and by who has not."""

import os
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from Tests.Abuse.codec import INFORMATIONAL, INITIATOR, PROTOCOL_IKE, delete, message
from Tests.Abuse.judging import clear_notify
from Tests.Abuse.keys import CBC, ECP256
from Tests.Abuse.peer import GATEWAY_INNER, MARKER
from Tests.Lab.frames import Wire, protocol_packet
from Tests.Lab.processes import expect, wait_until


def register(add):
    add("esp/unknown-spi", "RFC 4303 §3.4.2", unknown_spi)
    add("esp/reserved-spi", "RFC 4303 §2.1", reserved_spi)
    add("esp/replayed", "RFC 4303 §3.4.3", replayed)
    add("esp/number-zero", "RFC 4303 §3.3.3, §3.4.3", number_zero)
    add("esp/left-of-the-window", "RFC 4303 §3.4.3", left_of_window)
    add("esp/window-not-moved-by-forgeries", "RFC 4303 §3.4.3", window_not_moved)
    add("esp/out-of-order-within-the-window", "RFC 4303 §3.4.3", out_of_order)
    add("esp/every-octet-changed", "RFC 4303 §3.4.4", every_octet, options={})
    add("esp/every-octet-changed-cbc", "RFC 4303 §3.4.4", every_octet,
        options={"cipher": CBC, "exchange": ECP256})
    add("esp/every-truncation", "RFC 4303 §2, §3.4.4", truncations)
    add("esp/inner-source-of-another", "RFC 4301 §5.2, RFC 4303 §3.4.4", inner_wrong,
        source="10.2.3.1", target=GATEWAY_INNER)
    add("esp/inner-source-of-the-gateway", "RFC 4301 §5.2", inner_wrong, source=GATEWAY_INNER,
        target=GATEWAY_INNER)
    add("esp/inner-target-outside-the-policy", "RFC 4301 §5.2", inner_wrong, source=None,
        target="192.0.2.1")
    add("esp/inner-version-of-another-header", "RFC 4303 §2.6", inner_nonsense)
    add("esp/inner-ipv6-where-none-was-agreed", "RFC 4301 §5.2", inner_version)
    add("esp/inner-lengths-lie", "RFC 4301 §5.2", inner_lengths)
    add("esp/dummy-packets", "RFC 4303 §2.6", dummies)
    add("esp/outside-udp", "RFC 3948 §2, RFC 7296 §2.23", outside_udp)
    add("esp/from-another-address", "RFC 7296 §2.23, RFC 4301 §4.1", from_elsewhere)
    add("esp/after-the-delete", "RFC 7296 §1.4.1", after_delete)
    add("esp/garbage-among-good", "RFC 4303 §3.4.4", garbage_among)
    add("udp/keepalives", "RFC 3948 §2.3", keepalives)
    add("udp/almost-keepalives", "RFC 3948 §2.3", almost_keepalives)
    add("udp/markers", "RFC 3948 §2.2", markers)
    add("udp/ike-without-marker-at-4500", "RFC 3948 §2.2", ike_without_marker)
    add("udp/marker-at-500", "RFC 3948 §2.2", marker_at_500)
    add("udp/esp-at-500", "RFC 7296 §2.23", esp_at_500)


def opened_by(lab, peer):
    """Packets of the children that the gateway opened."""
    return sum(pair["inbound"]["packets"] for tunnel in lab.connection(peer)["tunnels"]
               for pair in tunnel["securityAssociations"])


def dropped(lab, peer, reason, packets, at_least=None, is_opened=False):
    """Every one of the ESP packets is dropped for the reason and none is answered. Unless it is for
    what is inside, none is opened either: replays and forgeries count for nothing."""
    before = opened_by(lab, peer)

    def send():
        for packet in packets:
            peer.send_raw(packet)
    lab.expect_dropped(reason, send, len(packets) if at_least is None else at_least)
    opened = opened_by(lab, peer) - before
    expect(opened == (len(packets) if is_opened else 0), f"{opened} were opened")
    expect(not list(peer.inner_packets(0.03)), "something was answered")
    peer.expect_echo()


def unknown_spi(lab):
    peer = lab.victim()
    dropped(lab, peer, "unknownSPI", [os.urandom(100) for _ in range(50)], at_least=45)
    peer.silence()


def reserved_spi(lab):
    peer = lab.victim()
    dropped(lab, peer, "unknownSPI", [struct.pack("!II", spi, 1) + os.urandom(60)
                                      for spi in (1, 2, 100, 255)])


def replayed(lab):
    peer = lab.victim()
    packet = peer.children[-1].seal(peer.echo_request(4000))
    peer.send_raw(packet)
    expect(next(iter(peer.inner_packets(5.0)), None), "the packet itself was not answered")
    dropped(lab, peer, "replayed", [packet] * 20)


def number_zero(lab):
    """The first packet has number one; zero was never sent."""
    peer = lab.insider()
    child = peer.children[-1]
    dropped(lab, peer, "replayed", [raw_seal(child, bytes(peer.echo_request(4000)), 4, number=0)])


def left_of_window(lab):
    peer = lab.victim()
    child = peer.children[-1]
    peer.send_raw(child.seal(peer.echo_request(4000), number=100_000))
    expect(next(iter(peer.inner_packets(5.0)), None), "a packet far ahead was not answered")
    child.outbound.seq_num = 100_001
    dropped(lab, peer, "replayed", [child.seal(peer.echo_request(4001), number=number)
                                    for number in (50, 51, 1000, 90_000)])


def window_not_moved(lab):
    """A number far ahead counts only when the packet proves authentic."""
    peer = lab.victim()
    child = peer.children[-1]
    forged = [child.outbound_spi + struct.pack("!I", number) + os.urandom(80)
              for number in (10_000, 0x7FFFFFFF, 0xFFFFFFFF)]
    dropped(lab, peer, "authenticationFailed", forged)


def out_of_order(lab):
    """Late is not replayed: each within the window is delivered once."""
    peer = lab.victim()
    child = peer.children[-1]
    packets = [child.seal(peer.echo_request(5000 + number), number=100 + number)
               for number in range(30)]
    before = opened_by(lab, peer)
    for packet in packets[::-1]:
        peer.send_raw(packet)
    lab.settle()
    child.outbound.seq_num = 200
    wait_until(lambda: opened_by(lab, peer) - before >= 30, "all are opened", 2)
    found = opened_by(lab, peer) - before
    expect(found == 30, f"{found} opened of 30")
    peer.expect_echo()


def every_octet(lab, options):
    peer = lab.victim(**options)
    child = peer.children[-1]
    right = child.seal(peer.echo_request(4000))
    changed = []
    for position in range(4, len(right)):
        packet = bytearray(right)
        packet[position] ^= 1 << position % 8
        changed.append(bytes(packet))
    dropped(lab, peer, "authenticationFailed", changed, at_least=len(changed) - 4)


def truncations(lab):
    peer = lab.victim()
    right = peer.children[-1].seal(peer.echo_request(4000))
    before = opened_by(lab, peer)
    for length in range(len(right)):
        peer.send_raw(right[:length])
    lab.settle()
    expect(opened_by(lab, peer) == before, "a truncated packet was delivered")
    peer.expect_echo()


def inner_wrong(lab, source, target):
    """What comes by an SA must be what the SA was agreed for."""
    peer = lab.victim()
    child = peer.children[-1]
    dropped(lab, peer, "selectorMismatch",
            [child.seal(peer.echo_request(number, source, target)) for number in range(10)],
            is_opened=True)


def raw_seal(child, plaintext, next_header, padding=None, number=None):
    """ESP around any octets with any next header, by the child's own key (AES-GCM, RFC 4106)."""
    association = child.outbound
    if number is None:
        number = association.seq_num
        association.seq_num += 1
    pad = bytes(range(1, 1 + -(len(plaintext) + 2) % 4)) if padding is None else padding
    head = child.outbound_spi + struct.pack("!I", number)
    iv = os.urandom(8)
    body = plaintext + pad + bytes([len(pad) & 255, next_header])
    return head + iv + AESGCM(association.crypt_key).encrypt(
        association.crypt_salt + iv, body, head)


def inner_nonsense(lab):
    """Octets that are no packet, next headers that are no IP, padding longer than all."""
    peer = lab.victim()
    child = peer.children[-1]
    good = bytes(peer.echo_request(4000))
    for plaintext, next_header in (
            (b"", 4), (b"\x45", 4), (os.urandom(19), 4), (b"\x65" + good[1:], 4), (good, 41),
            (good, 0), (good, 6), (good, 50), (good, 255), (b"\x4f" + good[1:], 4),
            (b"\x44" + good[1:], 4), (bytes(60), 4), (bytes(60), 41)):
        peer.send_raw(raw_seal(child, plaintext, next_header))
    peer.send_raw(raw_seal(child, b"", 4, padding=b""))
    lab.settle()
    expect(not list(peer.inner_packets(0.03)), "something was answered")
    peer.expect_echo()


def inner_version(lab):
    peer = lab.victim()
    child = peer.children[-1]
    packet = bytes(IPv6(src="fd00:2::1", dst="fd00:1::1") / UDP(sport=1, dport=1) / Raw(b"x"))
    dropped(lab, peer, "selectorMismatch", [raw_seal(child, packet, 41) for _ in range(5)],
            is_opened=True)


def inner_lengths(lab):
    """Inner headers that claim more or less than there is."""
    peer = lab.victim()
    child = peer.children[-1]
    for length in (0, 19, 20, 27, 10_000, 65_535):
        packet = IP(src=peer.inner, dst=GATEWAY_INNER, len=length) / ICMP() / Raw(bytes(40))
        peer.send_raw(raw_seal(child, bytes(packet), 4))
    lab.settle()
    peer.expect_echo()


def dummies(lab):
    """Next header 59 is cover traffic: thrown away without a word."""
    peer = lab.victim()
    child = peer.children[-1]
    dropped(lab, peer, "dummy", [raw_seal(child, os.urandom(64), 59) for _ in range(20)],
            is_opened=True)


def outside_udp(lab):
    """ESP as its own protocol is understood at any time, and a replay is one there too."""
    peer = lab.victim()
    child = peer.children[-1]
    before = opened_by(lab, peer)
    packet = child.seal(peer.echo_request(4000))
    with Wire(lab.network) as wire:
        for _ in range(10):
            wire.send(protocol_packet(peer.address, "192.0.2.1", 50, packet))
            wire.send(protocol_packet(peer.address, "192.0.2.1", 50, os.urandom(50)))
    lab.settle()
    expect(opened_by(lab, peer) - before <= 1, "it was delivered more than once")
    peer.expect_echo()


def from_elsewhere(lab):
    """True ESP from another address moves no answer there: there is no NAT between."""
    peer, thief = lab.victim(), lab.peer()
    packet = peer.children[-1].seal(peer.echo_request(4000))
    thief.send_raw(packet)
    lab.settle()
    thief.nat.settimeout(0.05)
    try:
        found = thief.nat.recv(2000)
    except TimeoutError:
        found = None
    expect(found is None, "the answer went to the thief")
    remote = lab.connection(peer)["ikeSA"]["remoteEndpoint"]
    expect(remote == f"{peer.address}:4500", f"the gateway follows to {remote}")
    peer.expect_echo()


def after_delete(lab):
    peer = lab.victim()
    child = peer.children[-1]
    peer.inform(delete(PROTOCOL_IKE))
    packets = [child.seal(peer.echo_request(number)) for number in range(10)]

    def send():
        for packet in packets:
            peer.send_raw(packet)
    lab.expect_dropped("unknownSPI", send, len(packets))
    expect(not list(peer.inner_packets(0.03)), "something was answered")


def garbage_among(lab):
    peer = lab.victim()
    child = peer.children[-1]
    for _ in range(20):
        for _ in range(100):
            peer.send_raw(child.outbound_spi + os.urandom(90))
        peer.expect_echo()


def keepalives(lab):
    peer = lab.victim()
    peer.silence()
    for _ in range(100):
        peer.send_raw(b"\xff")
    peer.silence()
    peer.expect_echo()


def almost_keepalives(lab):
    """One octet that is another, and several that are the same."""
    peer = lab.victim()
    for data in (b"\xfe", b"\0", b"\xff\xff", b"\xff" * 3, b"\xff" * 4, b"\xff" * 100, b"\xff\0"):
        peer.send_raw(data)
    peer.silence()
    peer.expect_echo()


def markers(lab):
    """The marker alone, short of its length, and twice."""
    peer = lab.victim()
    alive = peer.seal(INFORMATIONAL, [delete(PROTOCOL_IKE)])
    for data in (b"\0", bytes(2), bytes(3), MARKER, MARKER + b"\0", MARKER * 2, MARKER * 8,
                 bytes(1000), MARKER + MARKER + alive, bytes(3) + alive, bytes(5) + alive):
        peer.send_raw(data)
    lab.settle()
    # What looks like a header may look like one of a higher version, and may be told so.
    for answer in peer.arrivals(0.05):
        clear_notify(answer)
    peer.expect_alive()
    peer.expect_echo()


def ike_without_marker(lab):
    """Without the marker it is ESP, whose SPI nobody has."""
    peer = lab.victim()
    peer.send_raw(peer.seal(INFORMATIONAL, [delete(PROTOCOL_IKE)]))
    fresh = lab.peer()
    fresh.send_raw(fresh.init_request())
    peer.silence()
    fresh.silence(nat=True)
    peer.expect_alive()


def marker_at_500(lab):
    """Port 500 knows no marker: four zeros are the beginning of an SPI there."""
    peer = lab.victim()
    peer.plain.sendto(MARKER + peer.seal(INFORMATIONAL, [delete(PROTOCOL_IKE)]), ("192.0.2.1", 500))
    peer.plain.sendto(MARKER + message(peer.spi_i, bytes(8), 34, INITIATOR, 0,
                                       peer.init_payloads()), ("192.0.2.1", 500))
    lab.settle()
    for answer in peer.arrivals(0.05, nat=False):
        clear_notify(answer)
    peer.expect_alive()


def esp_at_500(lab):
    """ESP is never at port 500, not even true ESP."""
    peer = lab.victim()
    before = opened_by(lab, peer)
    for number in range(10):
        peer.plain.sendto(peer.children[-1].seal(peer.echo_request(number)), ("192.0.2.1", 500))
    lab.settle()
    expect(opened_by(lab, peer) == before, "ESP at port 500 was delivered")
    peer.expect_echo()
