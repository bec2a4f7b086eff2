"""The Encrypted payload in the hands of somebody who has the keys, and of somebody who has not."""

import os

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    INFORMATIONAL, INITIATOR, INVALID_SYNTAX, PROTOCOL_IKE, RESPONSE, SK, SKF,
    UNSUPPORTED_CRITICAL_PAYLOAD, VENDOR, Payload)
from Tests.Abuse.judging import clear_notify, ignored, refused
from Tests.Abuse.keys import CBC, ECP256
from Tests.Lab.processes import expect

BYTES = os.urandom


def register(add):
    add("sk/longest-padding", "RFC 7296 §3.14", longest_padding)
    add("sk/padding-beyond-the-content", "RFC 7296 §3.14, §2.21.3", padding_beyond)
    add("sk/no-plaintext-at-all", "RFC 7296 §3.14", no_plaintext)
    add("sk/shorter-than-iv-and-checksum", "RFC 7296 §3.14", too_short)
    add("sk/octets-behind-the-last-payload", "RFC 7296 §3.2, §2.21.3", fatal,
        inner=(0, b"\0" * 9))
    add("sk/one-within-the-other", "RFC 7296 §3.14, §2.21.3", fatal,
        inner=(SK, b"\0\0\0\x24" + bytes(32)))
    add("sk/fragment-within", "RFC 7383 §2.5, RFC 7296 §2.21.3", fatal,
        inner=(SKF, b"\0\0\0\x0c\0\1\0\1" + bytes(4)))
    add("sk/payload-length-zero-within", "RFC 7296 §3.2, §2.21.3", fatal,
        inner=(VENDOR, b"\0\0\0\0"))
    add("sk/payload-runs-over-within", "RFC 7296 §3.2, §2.21.3", fatal,
        inner=(VENDOR, b"\0\0\0\xff"))
    add("sk/chain-does-not-end-within", "RFC 7296 §3.2, §2.21.3", fatal,
        inner=(VENDOR, b"\x2b\0\0\4\x2b\0\0\4"))
    add("sk/ten-thousand-payloads-within", "RFC 7296 §3.2, §2.21.3", fatal,
        inner=(VENDOR, b"\x2b\0\0\4" * 10_000 + b"\0\0\0\4"))
    add("sk/critical-unknown-within", "RFC 7296 §2.5, §2.21.3", critical_within)
    add("sk/uncritical-unknown-within", "RFC 7296 §2.5", uncritical_within)
    add("sk/payloads-in-clear-before", "RFC 7296 §3.14, §2.21", clear_before)
    add("sk/payloads-in-clear-behind", "RFC 7296 §3.14", clear_behind)
    add("sk/initiator-flag-wrong", "RFC 7296 §3.1", wrong_flags, flags=0)
    add("sk/response-flag-wrong", "RFC 7296 §2.1, §3.1", wrong_flags, flags=INITIATOR | RESPONSE)
    add("sk/spis-swapped", "RFC 7296 §3.1, §2.21.4", spis_swapped)
    add("sk/responder-spi-zero", "RFC 7296 §3.1", spi_changed, side="responder", spi=bytes(8))
    add("sk/initiator-spi-of-another", "RFC 7296 §3.1", spi_changed, side="initiator",
        spi=BYTES(8))
    add("sk/version-changed", "RFC 7296 §2.5, §3.14", version_changed)
    add("sk/answers-reflected", "RFC 7296 §2.21.4, §3.1", answers_reflected)
    add("sk/answers-reflected-as-requests", "RFC 7296 §3.14", reflected_as_requests)
    add("sk/cbc-padding-is-no-oracle", "RFC 7296 §3.14", no_oracle)
    add("sk/iv-repeated", "RFC 7296 §3.14", iv_repeated)
    add("sk/keys-of-another-sa", "RFC 7296 §3.14", keys_of_another)
    add("skf/not-negotiated", "RFC 7383 §2.3", fragment_stranger)


def fatal(lab, inner):
    """Authentic and malformed: INVALID_SYNTAX, and the IKE SA with its children is gone."""
    peer = lab.insider()
    refused(peer, INFORMATIONAL, inner, INVALID_SYNTAX)
    peer.expect_dead()
    peer.expect_no_echo()
    expect(not lab.connection(peer).get("ikeSA"), "the gateway keeps the IKE SA")


def longest_padding(lab):
    """Any padding is accepted that ends at a block, up to 255 octets of whatever."""
    for options in ({}, {"cipher": CBC, "exchange": ECP256}):
        peer = lab.insider(**options)
        for count in (255, 239, 15):
            expect(peer.inform(padding=BYTES(count)) == [], "not answered as usual")
        peer.expect_echo()


def padding_beyond(lab):
    peer = lab.insider()
    refused(peer, INFORMATIONAL, [], INVALID_SYNTAX, padding=bytes(10), pad_length=200)
    peer.expect_dead()


def no_plaintext(lab):
    """Not even the octet that tells the length of the padding."""
    peer = lab.insider()
    answer = peer.ask(peer.seal_plaintext(INFORMATIONAL, 0, b""))
    if answer:
        expect(codec.notifies(peer.open(answer)) == [INVALID_SYNTAX], "another answer")
    else:
        peer.expect_alive()


def too_short(lab):
    peer = lab.insider()
    for length in range(0, 25):
        ignored_one = codec.message(
            peer.spi_i, peer.spi_r, INFORMATIONAL, INITIATOR, peer.next_id,
            [Payload(SK, BYTES(length), following=0)])
        peer.send(ignored_one)
    peer.silence()
    peer.expect_alive()
    peer.expect_echo()


def critical_within(lab):
    """It ends the exchange and not the IKE SA."""
    peer = lab.insider()
    refused(peer, INFORMATIONAL, [Payload(77, b"?", critical=True)], UNSUPPORTED_CRITICAL_PAYLOAD,
            b"\x4d")
    peer.expect_alive()
    peer.expect_echo()


def uncritical_within(lab):
    peer = lab.insider()
    expect(peer.inform(Payload(77, BYTES(300)), Payload(255), Payload(49, b"x")) == [],
           "not answered as usual")
    peer.expect_echo()


def clear_before(lab):
    """A Delete in clear in front of the Encrypted payload is nobody's word: not acted upon."""
    peer = lab.insider()
    plaintext = bytes(1)
    request = peer.seal_plaintext(INFORMATIONAL, 0, plaintext, outer=[
        codec.delete(PROTOCOL_IKE), codec.notify(codec.AUTHENTICATION_FAILED)])
    answer = peer.ask(request, 0.3)
    if answer:
        peer.open(answer)
        peer.next_id += 1
    peer.expect_alive()
    peer.expect_echo()


def clear_behind(lab):
    """The Encrypted payload is the last one: what is behind it belongs to no message."""
    peer = lab.insider()
    request = bytearray(peer.seal(INFORMATIONAL, []))
    behind = b"\0\0\0\x08\1\0\0\0"
    request[24:28] = (len(request) + len(behind)).to_bytes(4, "big")
    ignored(lab, peer, bytes(request) + behind)
    peer.expect_alive()


def wrong_flags(lab, flags):
    """Sealed as it should be, and marked as what it is not."""
    peer = lab.insider()
    request = peer.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)], flags=flags)
    peer.send(request)
    lab.settle()
    for answer in peer.arrivals(0.05):
        outer = codec.read_chain(codec.read_header(answer).first, answer[28:])
        expect(outer[0].kind == codec.NOTIFY, "it had a protected answer")
    peer.expect_alive()
    peer.expect_echo()


def spis_swapped(lab):
    peer = lab.insider()
    request = peer.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)], initiator=peer.spi_r,
                        responder=peer.spi_i)
    unheard(lab, peer, request)


def spi_changed(lab, side, spi):
    peer = lab.insider()
    unheard(lab, peer, peer.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)], **{side: spi}))


def unheard(lab, peer, request):
    """At most INVALID_IKE_SPI in clear comes back."""
    peer.send(request)
    lab.settle()
    for answer in peer.arrivals(0.05):
        expect(clear_notify(answer)[0] == codec.INVALID_IKE_SPI, "another answer")
    peer.expect_alive()
    peer.expect_echo()


def version_changed(lab):
    """A minor version is ignored, a higher major version dropped, even by who has the keys."""
    peer = lab.insider()
    expect(peer.inform(version=0x27) == [], "the minor version mattered")
    request = peer.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)], version=0x30)
    peer.send(request)
    lab.settle()
    list(peer.arrivals(0.05))
    peer.expect_alive()
    peer.expect_echo()


def answers_reflected(lab):
    """The gateway's own answers, sent back to it."""
    peer = lab.insider()
    peer.inform()
    ignored(lab, peer, peer.last_answer, peer.init_messages[1], peer.last_answer)
    peer.expect_alive()


def reflected_as_requests(lab):
    """The same with the flags of a request: the checksum covers the flags, and the key is the
    other direction's."""
    peer = lab.insider()
    peer.inform()
    for flags in (0, INITIATOR, RESPONSE | INITIATOR):
        changed = bytearray(peer.last_answer)
        changed[19] = flags
        changed[20:24] = peer.next_id.to_bytes(4, "big")
        peer.send(bytes(changed))
    lab.settle()
    for answer in peer.arrivals(0.05):
        outer = codec.read_chain(codec.read_header(answer).first, answer[28:])
        expect(outer[0].kind == codec.NOTIFY, "it had a protected answer")
    peer.expect_alive()
    peer.expect_echo()


def no_oracle(lab):
    """Wrong padding and wrong checksum are the same silence, as the checksum comes first."""
    peer = lab.insider(cipher=CBC, exchange=ECP256)
    right = peer.seal(INFORMATIONAL, [codec.notify(INVALID_SYNTAX)])
    for position in range(len(right) - 48, len(right)):
        for change in (1, 0x80):
            changed = bytearray(right)
            changed[position] ^= change
            peer.send(bytes(changed))
    peer.silence()
    peer.expect_alive()


def iv_repeated(lab):
    """The peer's IVs are the peer's affair: the gateway takes them as they are."""
    peer = lab.insider()
    for _ in range(3):
        expect(peer.inform(iv=b"\1" * 8) == [], "not answered as usual")


def keys_of_another(lab):
    """Somebody else's keys do not fit, though both are insiders."""
    peer, other = lab.insider(), lab.insider()
    forged = other.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)], initiator=peer.spi_i,
                        responder=peer.spi_r, message_id=peer.next_id)
    other.send(forged)
    other.silence()
    peer.expect_alive()
    peer.expect_echo()


def fragment_stranger(lab):
    """Fragments where none were agreed on: not put together, and no memory kept."""
    peer = lab.insider()
    for number in range(1, 200):
        body = number.to_bytes(2, "big") + b"\xff\xff" + BYTES(1000)
        peer.send(codec.message(peer.spi_i, peer.spi_r, INFORMATIONAL, INITIATOR, peer.next_id,
                                [Payload(SKF, body, following=0)]))
    peer.silence()
    peer.expect_alive()
    peer.expect_echo()
