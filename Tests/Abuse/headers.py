"""Headers: lengths, versions, flags, SPIs, exchange types and message numbers that are wrong."""

import os

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    IKE_AUTH, IKE_SA_INIT, INFORMATIONAL, INITIATOR, INVALID_IKE_SPI, INVALID_MAJOR_VERSION,
    RESPONSE)
from Tests.Abuse.judging import (
    clear_notify, ignored, refused_in_clear, refused_or_ignored, still_begins)
from Tests.Lab.processes import expect


def register(add):
    add("header/empty-datagram", "RFC 7296 §3.1", empty)
    add("header/truncated", "RFC 7296 §3.1", truncated)
    for name, change in (("one-more", 1), ("one-less", -1), ("zero", None), ("header-only", 28),
                         ("largest", 0xFFFFFFFF)):
        add(f"header/length-{name}", "RFC 7296 §3.1", wrong_length, change=change)
    add("header/octets-behind", "RFC 7296 §3.1", octets_behind)
    add("header/major-version-higher", "RFC 7296 §2.5", higher_version)
    add("header/major-version-higher-in-response", "RFC 7296 §2.5, §2.21.4", higher_in_response)
    add("header/major-version-lower", "RFC 7296 §2.5", lower_version)
    add("header/minor-version", "RFC 7296 §2.5", minor_version)
    add("header/reserved-flags", "RFC 7296 §3.1", reserved_flags)
    add("header/initiator-spi-zero", "RFC 7296 §3.1", fields,
        changes={"initiator": bytes(8)})
    add("header/responder-spi-in-first-request", "RFC 7296 §3.1", fields,
        changes={"responder": b"\1" * 8})
    add("header/initiator-flag-missing", "RFC 7296 §3.1", fields, changes={"flags": 0})
    add("header/response-to-nothing", "RFC 7296 §2.21.4", fields,
        changes={"flags": INITIATOR | RESPONSE})
    add("header/message-id-not-zero", "RFC 7296 §2.2", fields, changes={"message_id": 1})
    add("header/exchange-types", "RFC 7296 §3.1, §2.21.4", exchange_types)
    add("header/unknown-spi", "RFC 7296 §2.21.4", unknown_spi)
    add("header/unknown-spi-in-response", "RFC 7296 §2.21.4", unknown_spi_in_response)
    add("header/answers-limited", "RFC 7296 §2.21.4", answers_limited)
    add("header/largest-datagram", "RFC 7296 §2, §2.6", largest)


def empty(lab):
    peer = lab.peer()
    for _ in range(20):
        peer.send(b"")
        peer.send_raw(b"")
    peer.silence()


def truncated(lab):
    """Every length short of a header, at both ports."""
    peer = lab.peer()
    request = peer.init_request()

    def send():
        for length in range(1, 28):
            peer.send(request[:length])
            peer.send(request[:length], nat=True)
    lab.expect_dropped("ike-malformed", send, at_least=50)
    peer.silence()
    still_begins(peer)


def wrong_length(lab, change):
    peer = lab.peer()
    request = peer.init_request()
    length = {None: 0, 28: 28, 0xFFFFFFFF: change}.get(change)
    if length is None:
        length = len(request) + change
    refused_or_ignored(lab, peer, peer.init_request(length=length))
    still_begins(peer)


def octets_behind(lab):
    peer = lab.peer()
    refused_or_ignored(lab, peer, peer.init_request() + bytes(5))
    still_begins(peer)


def higher_version(lab):
    peer = lab.peer()
    for version in (0x30, 0x31, 0xF0):
        refused_in_clear(peer, peer.init_request(version=version), INVALID_MAJOR_VERSION, b"\x02")
    still_begins(peer)


def higher_in_response(lab):
    """A response is never answered, or two gateways could be set on one another."""
    peer = lab.peer()
    ignored(lab, peer, peer.init_request(version=0x30, flags=INITIATOR | RESPONSE))


def lower_version(lab):
    """A message of IKEv1 is none of ours."""
    peer = lab.peer()
    ignored(lab, peer, *(peer.init_request(version=version) for version in (0x10, 0x00, 0x1F)))
    still_begins(peer)


def minor_version(lab):
    """A minor version is ignored, and ours is zero (which `begin` looks at)."""
    peer = lab.peer()
    peer.begin(peer.init_request(version=0x2F))
    expect(codec.read_header(peer.init_messages[1]).version == 0x20, "another version came back")
    peer.authenticate().expect_echo()


def reserved_flags(lab):
    """Reserved bits and the V flag are ignored, and sent as zero."""
    peer = lab.peer()
    peer.begin(peer.init_request(flags=0xFF & ~RESPONSE))
    expect(codec.read_header(peer.init_messages[1]).flags == RESPONSE, "flags came back")
    peer.authenticate().expect_echo()


def fields(lab, changes):
    peer = lab.peer()
    initiator = changes.get("initiator")
    request = peer.init_request(**{key: value for key, value in changes.items()
                                   if key != "initiator"})
    if initiator is not None:
        request = initiator + request[8:]
    ignored(lab, peer, request)
    still_begins(peer)


def exchange_types(lab):
    """Exchanges that do not exist, outside any IKE SA: at most INVALID_IKE_SPI comes back, and to a
    response nothing."""
    peer = lab.peer()
    for exchange in (0, 1, 33, 44, 60, 239, 255):
        ignored(lab, peer, peer.init_request(exchange=exchange, flags=INITIATOR | RESPONSE))
        refused_or_ignored(lab, peer, peer.init_request(exchange=exchange), (INVALID_IKE_SPI,))
    still_begins(peer)


def stray(peer, flags=INITIATOR, exchange=INFORMATIONAL, message_id=77):
    return codec.message(peer.spi_i, os.urandom(8), exchange, flags, message_id,
                         [codec.Payload(codec.SK, os.urandom(60))])


def unknown_spi(lab):
    """INVALID_IKE_SPI, in clear, with the SPIs and the message ID of the request."""
    peer = lab.peer()
    request = stray(peer)
    refused_in_clear(peer, request, INVALID_IKE_SPI)
    answer = peer.ask(request, 0.4, 4)
    expect(answer[:16] == request[:16], "the SPIs were not copied")


def unknown_spi_in_response(lab):
    peer = lab.peer()
    for exchange in (IKE_SA_INIT, IKE_AUTH, INFORMATIONAL):
        ignored(lab, peer, stray(peer, INITIATOR | RESPONSE, exchange),
                stray(peer, RESPONSE, exchange))


def answers_limited(lab):
    """A thousand strangers' requests are answered now and then, not each."""
    peer = lab.peer()
    for number in range(1000):
        peer.send(stray(peer, message_id=number))
        if number % 100 == 99:
            lab.settle()
    answers = list(peer.arrivals(0.1))
    expect(len(answers) <= 100, f"{len(answers)} of 1000 were answered")
    for answer in answers:
        expect(clear_notify(answer)[0] == INVALID_IKE_SPI, "another notify")


def largest(lab):
    """A request to begin that fills a whole datagram is not kept for anybody."""
    peer = lab.peer()
    request = peer.init_request(extra=[codec.Payload(codec.VENDOR, bytes(60_000))])
    for _ in range(20):
        peer.send(request)
    peer.silence()
    still_begins(peer)
