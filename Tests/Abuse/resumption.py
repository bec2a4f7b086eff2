"""Session resumption (RFC 5723): in good order, and with tickets that are forged, used or another's."""

import os

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    AUTHENTICATION_FAILED, COOKIE, IDI, IDR, IKE_AUTH, INITIATOR, KE, NONCE, NOTIFY,
    SA, TICKET_LT_OPAQUE, TICKET_NACK, TICKET_OPAQUE, TICKET_REQUEST)
from Tests.Abuse.judging import refused_in_clear, refused_or_ignored
from Tests.Abuse.keys import Keys, prf, psk_auth
from Tests.Lab.processes import expect

IKE_SESSION_RESUME = 38


def register(add):
    add("resumption/in-good-order", "RFC 5723 §4.3, §5.1", good)
    add("resumption/ticket-used-twice", "RFC 5723 §4.3.1", used)
    add("resumption/request-repeated-from-elsewhere", "RFC 5723 §9.1, §9.10", stolen)
    add("resumption/ticket-of-a-deleted-sa", "RFC 5723 §4.3.2, §6.2", deleted)
    for what in ("random", "changed", "cut", "longer", "empty", "huge"):
        add(f"resumption/ticket-{what}", "RFC 5723 §9.2", forged, what=what)
    add("resumption/identity-of-another", "RFC 5723 §4.3.3", other_identity)
    add("resumption/signed-by-the-shared-secret", "RFC 5723 §4.3.3", wrong_proof, what="secret")
    add("resumption/signed-by-the-old-keys", "RFC 5723 §4.3.3", wrong_proof, what="old")
    add("resumption/without-nonce", "RFC 5723 §4.3.2", incomplete, missing=NONCE)
    add("resumption/without-ticket", "RFC 5723 §4.3.2", incomplete, missing=NOTIFY)


def with_ticket(lab):
    """A peer with a tunnel and a ticket for it."""
    peer = lab.begun()
    found = peer.exchange_of(IKE_AUTH, [*peer.auth_payloads(), codec.notify(TICKET_REQUEST)])
    peer.verify(found, IDR)
    peer.take_child(found, peer.spi_in)
    grants = [payload.notify[3] for payload in found
              if payload.kind == NOTIFY and payload.notify[0] == TICKET_LT_OPAQUE]
    expect(len(grants) == 1 and 0 < int.from_bytes(grants[0][:4], "big") <= 3600,
           f"asked for a ticket, it has {grants}")
    peer.ticket = grants[0][4:]
    peer.expect_echo()
    return peer


def lose(peer):
    """As a peer that has nothing left but the ticket and what it kept beside it."""
    peer.old = peer.keys
    peer.forget()
    peer.nonce_i = os.urandom(32)


def request(peer, ticket=None, without=None):
    payloads = [codec.nonce(peer.nonce_i),
                codec.notify(TICKET_OPAQUE, peer.ticket if ticket is None else ticket),
                *peer.nat_detection()]
    return codec.message(
        peer.spi_i, bytes(8), IKE_SESSION_RESUME, INITIATOR, 0,
        [payload for payload in payloads if payload.kind != without])


def resume(peer):
    """IKE_SESSION_RESUME; keys by RFC 5723 §5.1: prf(SK_d, "Resumption" | Ni | Nr)."""
    asked = request(peer)
    answer = peer.ask(asked, tries=2)
    expect(answer, "no answer to IKE_SESSION_RESUME")
    read = codec.read_header(answer)
    payloads = codec.read_chain(read.first, answer[28:])
    kinds = [payload.kind for payload in payloads]
    expect(NONCE in kinds and SA not in kinds and KE not in kinds, f"answered by {kinds}")
    expect(COOKIE not in codec.notifies(payloads), "a cookie where nobody is about")
    peer.spi_r, peer.nonce_r = read.responder, codec.one(payloads, NONCE).body
    peer.init_messages = asked, answer
    peer.keys = Keys(peer.cipher, b"Resumption", peer.nonce_i + peer.nonce_r,
                     peer.spi_i + peer.spi_r, old=peer.old.d)
    peer.next_id, peer.is_on_nat_port = 1, True


def prove(peer, id_payload=None, proof=None):
    """IKE_AUTH of the resumed IKE SA; its answer's payloads."""
    id_payload = id_payload or codec.identity(IDI, peer.identity)
    proof = proof or prf(peer.keys.pi, peer.signed_octets(id_payload))
    return peer.exchange_of(IKE_AUTH, peer.auth_payloads(id=id_payload, auth=codec.auth(proof)))


def finish(peer):
    found = prove(peer)
    id_payload = codec.one(found, IDR)
    proof = prf(peer.keys.pr, peer.signed_octets(id_payload, is_own=False))
    expect(codec.one(found, codec.AUTH).body == b"\x02\0\0\0" + proof, "the gateway's AUTH is wrong")
    peer.take_child(found, peer.spi_in)
    peer.expect_echo()


def fails(peer, found):
    expect(codec.notifies(found) == [AUTHENTICATION_FAILED] and len(found) == 1,
           f"answered by {codec.notifies(found)}")


def good(lab):
    peer = with_ticket(lab)
    lose(peer)
    resume(peer)
    finish(peer)
    ike = lab.connection(peer)["ikeSA"]
    expect(ike.get("resumed") and ike["remoteIdentity"] == peer.identity.decode(), f"status: {ike}")
    pairs = lab.connection(peer)["tunnels"][0]["securityAssociations"]
    expect(len(pairs) == 1, f"{len(pairs)} pairs of SAs: the old ones stayed")


def used(lab):
    peer = with_ticket(lab)
    lose(peer)
    resume(peer)
    finish(peer)
    spi_i, peer.spi_i, peer.is_on_nat_port = peer.spi_i, os.urandom(8), False
    refused_in_clear(peer, request(peer), TICKET_NACK)
    peer.spi_i, peer.is_on_nat_port = spi_i, True
    peer.expect_alive()
    peer.expect_echo()


def stolen(lab):
    """Whoever saw the request go by gets nothing from it: not even an answer, from an address that
    is not the peer's."""
    peer = with_ticket(lab)
    thief = lab.victim()
    lose(peer)
    spi_i, thief.is_on_nat_port = thief.spi_i, False
    thief.spi_i = peer.spi_i
    refused_in_clear(thief, request(peer), TICKET_NACK)
    thief.spi_i, thief.is_on_nat_port = spi_i, True
    thief.expect_alive()
    resume(peer)
    finish(peer)


def deleted(lab):
    peer = with_ticket(lab)
    expect(peer.inform(codec.delete(codec.PROTOCOL_IKE)) == [], "a Delete is answered by nothing")
    lose(peer)
    refused_in_clear(peer, request(peer), TICKET_NACK)


def forged(lab, what):
    peer = with_ticket(lab)
    lose(peer)
    ticket = peer.ticket
    tickets = {
        "random": [os.urandom(len(ticket)), ticket[:12] + os.urandom(len(ticket) - 12)],
        "changed": [ticket[:place] + bytes([ticket[place] ^ 1]) + ticket[place + 1:]
                    for place in range(0, len(ticket), 7)],
        "cut": [ticket[:length] for length in (1, 4, 12, 27, 28, 43, 44, len(ticket) - 1)],
        "longer": [ticket + b"\0", ticket * 2],
        "empty": [b""],
        "huge": [os.urandom(6000)],
    }[what]
    for forgery in tickets:
        peer.spi_i = os.urandom(8)
        refused_in_clear(peer, request(peer, forgery), TICKET_NACK)
    peer.spi_i = os.urandom(8)
    resume(peer)
    finish(peer)


def other_identity(lab):
    """The ticket tells who the peer is, and the peer must say the same."""
    victim = lab.victim()
    peer = with_ticket(lab)
    lose(peer)
    resume(peer)
    fails(peer, prove(peer, codec.identity(IDI, victim.identity)))
    victim.expect_alive()
    victim.expect_echo()


def wrong_proof(lab, what):
    peer = with_ticket(lab)
    lose(peer)
    resume(peer)
    id_payload = codec.identity(IDI, peer.identity)
    octets = peer.signed_octets(id_payload)
    proof = psk_auth(peer.secret, octets) if what == "secret" else prf(peer.old.pi, octets)
    fails(peer, prove(peer, id_payload, proof))


def incomplete(lab, missing):
    peer = with_ticket(lab)
    lose(peer)
    refused_or_ignored(lab, peer, request(peer, without=missing))
    peer.spi_i = os.urandom(8)
    resume(peer)
    finish(peer)
