"""MOBIKE, redirects and crash tokens in wrong hands (RFC 4555, RFC 5685, RFC 6290)."""

import os
import struct

from Tests.Abuse import codec
from Tests.Abuse.answers import Initiated
from Tests.Abuse.codec import (
    IKE_AUTH, INFORMATIONAL, INITIATOR, INVALID_IKE_SPI, QCD_TOKEN, REDIRECT, RESPONSE)
from Tests.Lab.processes import expect, wait_until

MOBIKE_SUPPORTED, ADDITIONAL_IPV4, UPDATE, COOKIE2, NO_NATS = 16396, 16397, 16400, 16401, 16402
UNACCEPTABLE_ADDRESSES, UNEXPECTED_NAT = 40, 41
REDIRECTED_FROM = 16408


def register(add):
    add("mobike/moves", "RFC 4555 §3.5, §3.7", moves)
    add("mobike/moves-without-proof", "RFC 4555 §3.7", without_proof)
    add("mobike/moves-with-a-false-proof", "RFC 4555 §3.7", false_proof)
    add("mobike/update-replayed-from-elsewhere", "RFC 4555 §3.5, §5.1, RFC 7296 §2.1", replayed)
    add("mobike/update-in-clear", "RFC 4555 §5.1, RFC 7296 §3.14", in_clear)
    add("mobike/cookie2-sizes", "RFC 4555 §4.2.5", cookie_sizes)
    add("mobike/hundreds-of-addresses", "RFC 4555 §3.6, §4.2.2", many_addresses)
    add("mobike/addresses-of-wrong-length", "RFC 4555 §4.2.2", odd_addresses)
    add("mobike/no-nats-allowed-and-changed", "RFC 4555 §3.9", no_nats)
    add("mobike/fifty-updates", "RFC 4555 §3.5", fifty)
    add("redirect/by-the-initiator", "RFC 5685 §5, §6", redirect_by_initiator)
    add("redirect/nonsense-in-session", "RFC 5685 §9.2", redirect_nonsense)
    add("redirect/without-the-nonce", "RFC 5685 §3, §10", redirect_nonce, data=b"")
    add("redirect/with-another-nonce", "RFC 5685 §3, §10", redirect_nonce, data=os.urandom(32))
    add("redirect/to-nonsense", "RFC 5685 §9.2", redirect_to_nonsense)
    add("redirect/round-and-round", "RFC 5685 §3", round_and_round)
    add("crash/false-token", "RFC 6290 §4.5", false_token)
    add("crash/token-of-a-living-sa", "RFC 6290 §9.2, §4.5", living_token)
    add("crash/token-of-a-dead-sa", "RFC 6290 §4.5", dead_token)


def mobile(lab):
    """A peer whose connection lets it move, with MOBIKE agreed on."""
    peer = lab.mobile().begin()
    found = peer.exchange_of(IKE_AUTH, [
        *peer.auth_payloads(), codec.notify(MOBIKE_SUPPORTED)])
    peer.verify(found, codec.IDR)
    expect(MOBIKE_SUPPORTED in codec.notifies(found), "the gateway does not agree on MOBIKE")
    peer.take_child(found, peer.spi_in)
    peer.expect_echo()
    return peer


def moved(lab, peer):
    """Gives the peer other sockets at another address; returns the old ones."""
    old = peer.plain, peer.nat, peer.address
    helper = lab.peer()
    peer.plain, peer.nat, peer.address = helper.plain, helper.nat, helper.address
    return old


def update(peer, *extra):
    return peer.inform(codec.notify(UPDATE), *extra)


def await_check(peer, seconds=1.5):
    """The gateway's return routability check: (header, COOKIE2 notify), or None."""
    request = peer.receive(lambda header: not header.is_response
                           and header.exchange == INFORMATIONAL, seconds)
    if not request:
        return None
    for payload in peer.open(request):
        if payload.kind == codec.NOTIFY and payload.notify[0] == COOKIE2:
            return codec.read_header(request), payload.notify[3]
    return await_check(peer, seconds)


def answer_check(peer, check, cookie=None):
    read, data = check
    peer.send(peer.seal(read.exchange, [codec.notify(COOKIE2, data if cookie is None else cookie)],
                        message_id=read.message_id, is_response=True))


def remote(lab, peer):
    return lab.connection(peer)["ikeSA"]["remoteEndpoint"]


def moves(lab):
    """In good order: update, proof, and traffic follows."""
    peer = mobile(lab)
    moved(lab, peer)
    update(peer)
    check = await_check(peer)
    expect(check, "nobody asks whether the peer is there")
    answer_check(peer, check)
    peer.expect_echo()
    expect(peer.address in remote(lab, peer), "status has the old address")


def without_proof(lab):
    """Until the peer shows that it is there, nothing but the question goes there."""
    peer = mobile(lab)
    old = moved(lab, peer)
    update(peer)
    expect(await_check(peer), "nobody asks whether the peer is there")
    request = peer.echo_request(1)
    old[1].sendto(peer.children[-1].seal(request), ("192.0.2.1", 4500))
    expect(not list(peer.inner_packets(0.2)), "traffic followed without proof")
    for socket in old[:2]:
        socket.close()


def false_proof(lab):
    """An answer with another cookie ends the IKE SA: the peer, or the network, lies."""
    peer = mobile(lab)
    moved(lab, peer)
    update(peer)
    check = await_check(peer)
    expect(check, "nobody asks whether the peer is there")
    answer_check(peer, check, os.urandom(16))
    lab.settle()
    expect(not list(peer.inner_packets(0.1)), "traffic followed a false proof")
    wait_until(lambda: lab.connection(peer)["state"] != "established"
               or peer.address not in remote(lab, peer), "the gateway drops it", 2)


def replayed(lab):
    """A stranger that repeats the peer's own update from where it stands moves nobody."""
    peer = mobile(lab)
    update(peer)
    thief = lab.peer()
    for _ in range(5):
        thief.send(peer.last_request, nat=True)
    lab.settle()
    expect(peer.address in remote(lab, peer), f"the gateway follows to {remote(lab, peer)}")
    list(thief.arrivals(0.05, nat=True))
    peer.expect_echo()


def in_clear(lab):
    peer, thief = mobile(lab), lab.peer()
    for flags in (INITIATOR, 0, INITIATOR | RESPONSE, RESPONSE):
        thief.send(codec.message(peer.spi_i, peer.spi_r, INFORMATIONAL, flags, peer.next_id,
                                 [codec.notify(UPDATE)]), nat=True)
    lab.settle()
    expect(peer.address in remote(lab, peer), "the gateway follows")
    peer.expect_alive()
    peer.expect_echo()


def cookie_sizes(lab):
    """COOKIE2 has 8 to 64 octets; it is copied as it is, and others are not."""
    peer = mobile(lab)
    for octets in (8, 64):
        cookie = os.urandom(octets)
        found = [payload.notify[3] for payload in peer.inform(codec.notify(COOKIE2, cookie))]
        expect(found == [cookie], f"{octets} octets: {found}")
    for octets in (0, 7, 65, 3000):
        peer.inform(codec.notify(COOKIE2, os.urandom(octets)))
        peer.expect_alive()


def many_addresses(lab):
    peer = mobile(lab)
    before = lab.memory()
    for number in range(20):
        peer.inform(*(codec.notify(ADDITIONAL_IPV4, bytes([10, 9, number, host]))
                      for host in range(60)))
    expect(lab.memory() - before < 4096, "memory grew")
    peer.expect_alive()
    peer.expect_echo()


def odd_addresses(lab):
    peer = mobile(lab)
    for data in (b"", b"\1", b"\1\2\3", b"\1\2\3\4\5", os.urandom(16), bytes(4), b"\xff" * 4,
                 b"\xe0\0\0\1", b"\x7f\0\0\1"):
        peer.inform(codec.notify(ADDITIONAL_IPV4, data))
        peer.expect_alive()
    peer.expect_echo()


def no_nats(lab):
    """Addresses that were changed on the way although NATs are not allowed: told, not followed."""
    peer = mobile(lab)
    lie = struct.pack("!4s4sHH", bytes([192, 0, 2, 99]), bytes([192, 0, 2, 1]), 4500, 4500)
    found = update(peer, codec.notify(NO_NATS, lie))
    expect(UNEXPECTED_NAT in codec.notifies(found), f"answered by {codec.notifies(found)}")
    peer.expect_alive()
    peer.expect_echo()


def fifty(lab):
    peer = mobile(lab)
    for _ in range(50):
        update(peer)
    peer.expect_alive()
    peer.expect_echo()


def gateway(kind=1, data=bytes([198, 51, 100, 99]), length=None):
    return bytes([kind, len(data) if length is None else length]) + data


def redirect_by_initiator(lab):
    """Only who answered may send the other end away; the gateway stays."""
    peer = lab.insider()
    peer.inform(codec.notify(REDIRECT, gateway()))
    peer.expect_alive()
    peer.expect_echo()


def redirect_nonsense(lab):
    peer = lab.insider()
    for data in (b"", b"\1", gateway(9), gateway(1, b"\1\2\3"), gateway(1, length=200),
                 gateway(3, b""), gateway(3, b"\xff" * 250), gateway(2, b"\1" * 15)):
        peer.inform(codec.notify(REDIRECT, data), codec.notify(REDIRECTED_FROM, data))
        peer.expect_alive()
    peer.expect_echo()


def redirect_nonce(lab, data):
    """Who did not see the gateway's request cannot send it away: its nonce is missing."""
    begun = Initiated(lab)
    begun.notify(codec.notify(REDIRECT, gateway() + data))
    begun.finish()


def redirect_to_nonsense(lab):
    """The right nonce behind a gateway that is none."""
    begun = Initiated(lab)
    for where in (b"", b"\1", gateway(9), gateway(1, b"\1\2\3"), gateway(1, length=200),
                  gateway(3, b"")):
        begun.notify(codec.notify(REDIRECT, where + begun.peer.nonce_i))
    begun.finish()


def round_and_round(lab):
    """Two addresses that send the gateway to one another: followed a few times, not for ever."""
    begun = Initiated(lab)
    other = lab.peer()
    stations, count, seconds = [begun.peer, other], 1, 2.0
    current = begun.peer
    where = {peer: bytes(map(int, peer.address.split("."))) for peer in stations}
    while count < 30:
        there = other if current is begun.peer else begun.peer
        current.send(codec.message(
            begun.peer.spi_i if current is begun.peer else current.spi_i, bytes(8),
            codec.IKE_SA_INIT, RESPONSE, 0,
            [codec.notify(REDIRECT, gateway(1, where[there]) + current.nonce_i)]), nat=False)
        request = there.receive(lambda header: header.exchange == codec.IKE_SA_INIT
                                and not header.is_response, seconds, nat=False)
        if not request:
            break
        read = codec.read_header(request)
        there.spi_i = read.initiator
        there.nonce_i = codec.one(codec.read_chain(read.first, request[28:]), codec.NONCE).body
        current, count, seconds = there, count + 1, 0.5
    expect(count <= 12, f"{count} beginnings one after the other")


def token_of(peer):
    """The token that the gateway gave in IKE_AUTH, or None where it makes none."""
    return peer.crash_token


def with_token(lab):
    peer = lab.begun()
    found = peer.exchange_of(IKE_AUTH, peer.auth_payloads())
    peer.verify(found, codec.IDR)
    peer.take_child(found, peer.spi_in)
    peer.crash_token = next((payload.notify[3] for payload in found
                             if payload.kind == codec.NOTIFY
                             and payload.notify[0] == QCD_TOKEN), None)
    return peer


def false_token(lab):
    """INVALID_IKE_SPI with a token that the peer never gave: not believed."""
    begun = Initiated(lab)
    begun.finish()
    peer = begun.peer
    for _ in range(10):
        peer.send(codec.message(peer.spi_i, peer.spi_r, INFORMATIONAL, RESPONSE, 0, [
            codec.notify(QCD_TOKEN, os.urandom(32), protocol=1),
            codec.notify(INVALID_IKE_SPI)]))
    lab.settle()
    peer.expect_echo()


def tokens_in(peer, request):
    """Tokens in whatever comes back to a request."""
    peer.send(request)
    peer.lab.settle()
    found = []
    for answer in peer.arrivals(0.1):
        for payload in codec.read_chain(codec.read_header(answer).first, answer[28:]):
            if payload.kind == codec.NOTIFY and payload.notify[0] == QCD_TOKEN:
                found.append(payload.notify[3])
    return found


def living_token(lab):
    """No question of a stranger brings the token of an SA that lives."""
    peer = with_token(lab)
    if token_of(peer) is None:
        return
    for initiator, responder, flags in (
            (peer.spi_i, peer.spi_r, 0), (peer.spi_i, peer.spi_r, INITIATOR),
            (peer.spi_r, peer.spi_i, INITIATOR), (peer.spi_r, peer.spi_i, 0),
            (os.urandom(8), peer.spi_r, INITIATOR), (peer.spi_i, os.urandom(8), INITIATOR)):
        found = tokens_in(peer, codec.message(
            initiator, responder, INFORMATIONAL, flags, 9,
            [codec.Payload(codec.SK, os.urandom(60))]))
        expect(token_of(peer) not in found, "the token of a living SA was told")
    peer.expect_alive()
    peer.expect_echo()


def dead_token(lab):
    """Once the SA is gone, its token comes with INVALID_IKE_SPI: that is what it is for."""
    peer = with_token(lab)
    if token_of(peer) is None:
        return
    peer.inform(codec.delete(codec.PROTOCOL_IKE))
    wanted = codec.message(peer.spi_i, peer.spi_r, INFORMATIONAL, INITIATOR, 40,
                           [codec.Payload(codec.SK, os.urandom(60))])
    found = tokens_in(peer, wanted)
    expect(found in ([], [token_of(peer)]), "another token came")
