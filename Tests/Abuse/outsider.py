"""A stranger who saw everything on the wire and knows no key: forgeries against a tunnel that
stands, from the peer's address and from others."""

import os

from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    AUTHENTICATION_FAILED, CREATE_CHILD_SA, IKE_AUTH, IKE_SA_INIT, INFORMATIONAL, INITIATOR,
    INVALID_IKE_SPI, INVALID_MAJOR_VERSION, INVALID_MESSAGE_ID, INVALID_SPI, INVALID_SYNTAX,
    NO_PROPOSAL_CHOSEN, PROTOCOL_ESP, PROTOCOL_IKE, REDIRECT, RESPONSE, Payload)
from Tests.Abuse.judging import clear_notify, ignored
from Tests.Abuse.peer import GATEWAY
from Tests.Lab.frames import Wire
from Tests.Lab.processes import expect


def register(add):
    for name, payload in {
        "delete-of-the-ike-sa": codec.delete(PROTOCOL_IKE),
        "delete-of-the-child": None,
        "invalid-ike-spi": codec.notify(INVALID_IKE_SPI),
        "invalid-syntax": codec.notify(INVALID_SYNTAX),
        "authentication-failed": codec.notify(AUTHENTICATION_FAILED),
        "invalid-major-version": codec.notify(INVALID_MAJOR_VERSION, b"\1"),
        "invalid-message-id": codec.notify(INVALID_MESSAGE_ID, b"\0\0\0\1"),
        "no-proposal-chosen": codec.notify(NO_PROPOSAL_CHOSEN),
        "redirect": codec.notify(REDIRECT, b"\1\4\xc6\x33\x64\x63"),
        "cookie": codec.notify(codec.COOKIE, b"biscuit"),
    }.items():
        add(f"forged/{name}-in-clear", "RFC 7296 §2.21.4, §3.14", in_clear, payload=payload)
    add("forged/invalid-spi-about-esp", "RFC 7296 §1.5, §2.21.4", invalid_spi)
    add("forged/esp-by-an-unknown-spi", "RFC 7296 §1.5, §2.21.4", unknown_esp)
    add("forged/whole-conversation-replayed", "RFC 7296 §2.1, §2.2", replayed, elsewhere=False)
    add("forged/whole-conversation-from-elsewhere", "RFC 7296 §2.1, §2.11, §2.23", replayed,
        elsewhere=True)
    add("forged/every-number", "RFC 7296 §2.2, §3.14", every_number)
    add("forged/a-flood-under-the-right-spis", "RFC 7296 §3.14", flood)
    add("forged/icmp-unreachable", "RFC 7296 §2.4", icmp, kind=3, codes=range(16))
    add("forged/icmp-time-exceeded", "RFC 7296 §2.4", icmp, kind=11, codes=(0, 1))
    add("forged/icmp-parameter-problem", "RFC 7296 §2.4", icmp, kind=12, codes=(0, 1, 2))
    add("forged/icmp-packet-too-big", "RFC 4301 §8.2.1, RFC 1191 §3", too_big)
    add("forged/icmp-nonsense-within", "RFC 7296 §2.4", icmp_nonsense)


def in_clear(lab, payload):
    """Under the right SPIs, as request and as answer, by every exchange: nothing changes."""
    peer = lab.victim()
    payload = payload or codec.delete(PROTOCOL_ESP, [peer.children[-1].inbound_spi])
    before = lab.connection(peer)["ikeSA"]
    for exchange in (IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL):
        for flags in (INITIATOR, 0, INITIATOR | RESPONSE, RESPONSE):
            for number in (0, 1, 2, peer.next_id):
                for is_nat in (False, True):
                    peer.send(codec.message(peer.spi_i, peer.spi_r, exchange, flags, number,
                                            [payload]), is_nat)
    lab.settle()
    for is_nat in (False, True):
        for answer in peer.arrivals(0.03, is_nat):
            outer = codec.read_chain(codec.read_header(answer).first, answer[28:])
            expect(outer[0].kind == codec.NOTIFY, "a forgery had a protected answer")
            expect(clear_notify(answer)[0] in (INVALID_IKE_SPI, INVALID_SYNTAX), f"{outer}")
    after = lab.connection(peer)["ikeSA"]
    expect(after["remoteEndpoint"] == before["remoteEndpoint"]
           and after["responderSPI"] == before["responderSPI"], "the IKE SA is another")
    peer.expect_alive()
    peer.expect_echo()


def hint(spi):
    """INVALID_SPI in clear, with SPIs of an IKE SA as they come."""
    return codec.message(os.urandom(8), bytes(8), INFORMATIONAL, INITIATOR, 0,
                         [codec.notify(INVALID_SPI, spi)])


def invalid_spi(lab):
    """INVALID_SPI outside an IKE SA is a hint at most, and never answered; only one with an SPI that
    the gateway sends by makes it ask the peer, once."""
    peer = lab.victim()
    for _ in range(20):
        peer.send(hint(peer.children[-1].outbound_spi), nat=True)
        peer.send(hint(peer.children[-1].outbound_spi), nat=False)
    expect(not list(peer.arrivals(0.2, True)) and not list(peer.arrivals(0.05, False)),
           "a hint was answered")
    for _ in range(20):
        peer.send(hint(peer.children[-1].inbound_spi), nat=True)
    asked = set(peer.arrivals(0.3, True))
    expect(len(asked) == 1, f"{len(asked)} questions")
    question = codec.read_header(asked.pop())
    expect(question.exchange == INFORMATIONAL and not question.is_response, "something else came")
    peer.answer(question, [])
    peer.expect_alive()
    peer.expect_echo()


def unknown_esp(lab):
    """ESP by an SPI that the gateway has not: over the IKE SA, and once however much comes, the
    peer hears of it; one without an IKE SA hears nothing."""
    peer, stranger = lab.victim(), lab.peer()
    peer.wants_complaints = True
    spi = b"\xde\xad\xbe\xef"
    for number in range(50):
        for sender in (peer, stranger):
            sender.send_raw(spi + number.to_bytes(4, "big") + os.urandom(64))
    told = set(peer.arrivals(0.3, True))
    expect(len(told) == 1, f"{len(told)} messages")
    message = told.pop()
    read, payloads = codec.read_header(message), peer.open(message)
    expect(read.exchange == INFORMATIONAL and codec.errors(payloads) == [INVALID_SPI],
           f"told {codec.errors(payloads)}")
    data = [payload.body[4:] for payload in payloads if payload.kind == codec.NOTIFY]
    expect(spi in data, f"the notification has {data}")
    peer.answer(read, [])
    peer.wants_complaints = False
    expect(not list(stranger.arrivals(0.05, True)), "a stranger had an answer")
    peer.expect_alive()
    peer.expect_echo()


def replayed(lab, elsewhere):
    """Every message of the peer's again, in order, backwards, and from another address: nothing is
    done twice, and nobody is followed."""
    peer = lab.begun()
    said = [peer.init_messages[0]]
    peer.authenticate()
    said.append(peer.last_request)
    for _ in range(3):
        peer.inform()
        said.append(peer.last_request)
    peer.create_child()
    said.append(peer.last_request)
    peer.inform()
    said.append(peer.last_request)
    sender = lab.peer() if elsewhere else peer
    for message in said * 3 + said[::-1] * 3:
        sender.send(message, nat=True)
        sender.send(message, nat=False)
    lab.settle()
    list(sender.arrivals(0.03, True))
    list(sender.arrivals(0.03, False))
    remote = lab.connection(peer)["ikeSA"]["remoteEndpoint"]
    expect(remote == f"{peer.address}:4500", f"the gateway follows to {remote}")
    children = lab.connection(peer)["tunnels"][0]["securityAssociations"]
    expect(len(children) == 2, f"{len(children)} children of two")
    peer.expect_alive()
    peer.expect_echo()


def every_number(lab):
    peer = lab.victim()
    for number in range(0, 400):
        content = Payload(codec.SK, os.urandom(48), following=codec.DELETE)
        peer.send(codec.message(peer.spi_i, peer.spi_r, INFORMATIONAL, INITIATOR, number,
                                [content]))
    ignored(lab, peer)
    peer.expect_alive()
    peer.expect_echo()


def flood(lab):
    """What a stranger sends costs a checksum, and no more: the tunnel works between."""
    peer = lab.victim()
    for round_number in range(10):
        for _ in range(300):
            content = Payload(codec.SK, os.urandom(1000), following=codec.DELETE)
            peer.send(codec.message(peer.spi_i, peer.spi_r, INFORMATIONAL, INITIATOR,
                                    peer.next_id, [content]))
        peer.expect_echo()
    peer.expect_alive()


def icmp_error(peer, kind, code, inner=None, **fields):
    """An ICMP error about ESP that the gateway sent to the peer, from the router between."""
    cause = inner or bytes(IP(src=GATEWAY, dst=peer.address) / UDP(sport=4500, dport=4500)
                           / Raw(peer.children[-1].inbound_spi + b"\0\0\0\1" + bytes(40)))
    return bytes(IP(src="192.0.2.254", dst=GATEWAY) / ICMP(type=kind, code=code, **fields)
                 / Raw(cause))


def icmp(lab, kind, codes):
    """An end MUST NOT conclude from ICMP that the other has failed."""
    peer = lab.victim()
    with Wire(lab.network) as wire:
        for code in codes:
            for port in (4500, 500):
                cause = bytes(IP(src=GATEWAY, dst=peer.address) / UDP(sport=port, dport=port)
                              / Raw(bytes(64)))
                wire.send(icmp_error(peer, kind, code, cause))
                wire.send(icmp_error(peer, kind, code))
    lab.settle()
    peer.expect_alive()
    peer.expect_echo()
    expect(lab.connection(peer)["state"] == "established", "the connection went down")


def too_big(lab):
    """A forged MTU of next to nothing does not stop the tunnel: the least MTU of IPv4 remains."""
    peer = lab.victim()
    with Wire(lab.network) as wire:
        for mtu in (0, 1, 20, 67, 68, 552):
            wire.send(icmp_error(peer, 3, 4, nexthopmtu=mtu))
            peer.expect_echo()
    peer.expect_alive()
    peer.expect_echo()


def icmp_nonsense(lab):
    """Errors about packets that nobody sent, cut in the middle, and about nothing."""
    peer = lab.victim()
    with Wire(lab.network) as wire:
        whole = icmp_error(peer, 3, 3)
        for length in range(28, len(whole), 3):
            inner = whole[28:length]
            wire.send(icmp_error(peer, 3, 3, inner or b"\0"))
        for _ in range(50):
            wire.send(icmp_error(peer, 3, 1, os.urandom(60)))
    peer.expect_alive()
    peer.expect_echo()
