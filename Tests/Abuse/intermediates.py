"""Additional key exchanges in IKE_INTERMEDIATE (RFC 9242, RFC 9370): in good order, left out, doubled
and forged. ECP-256 comes first, then Curve25519, then a MODP group."""

import os
import struct

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    ADDKE1, ADDKE2, ADDITIONAL_KEY_EXCHANGE, AUTHENTICATION_FAILED, CREATE_CHILD_SA, DH, IDR,
    IKE_AUTH, IKE_FOLLOWUP_KE, IKE_INTERMEDIATE, INITIATOR, INTERMEDIATE, INVALID_SYNTAX, KE,
    NO_PROPOSAL_CHOSEN, PRF, STATE_NOT_FOUND, Payload)
from Tests.Abuse.judging import ignored, refused_or_ignored
from Tests.Abuse.keys import ECP256, MODP, X25519, Keys, prf
from Tests.Lab.processes import expect


def register(add):
    add("intermediate/two-of-them", "RFC 9242 §3, RFC 9370 §2.2", good)
    add("intermediate/left-out", "RFC 9370 §2.2.2", left_out, done=0)
    add("intermediate/second-left-out", "RFC 9370 §2.2.2", left_out, done=1)
    add("intermediate/a-third-one", "RFC 9370 §2.2.2", third)
    add("intermediate/in-the-wrong-order", "RFC 9370 §2.2.2", wrong_value, group=MODP.group,
        value=None)
    add("intermediate/group-that-was-not-agreed", "RFC 9370 §2.2.2", wrong_value, group=19,
        value=ECP256().public)
    for name, value in (("zero", bytes(32)), ("short", b"\1" * 31), ("none", b"")):
        add(f"intermediate/public-value-{name}", "RFC 9370 §2.2.2, RFC 8031 §4", wrong_value,
            group=31, value=value)
    add("intermediate/without-value", "RFC 9370 §2.2.2", odd_payloads, count=0)
    add("intermediate/two-values", "RFC 9370 §2.2.2", odd_payloads, count=2)
    add("intermediate/critical-unknown", "RFC 7296 §2.5, RFC 9242 §3.4", critical_unknown)
    add("intermediate/not-negotiated", "RFC 9242 §3.1", not_negotiated)
    add("intermediate/offered-without-the-notify", "RFC 9370 §2.2.1", without_notify)
    add("intermediate/garbage-between", "RFC 7296 §3.14", garbage)
    add("intermediate/repeated", "RFC 7296 §2.1", repeated)
    add("intermediate/keys-of-before", "RFC 9370 §2.2.2", old_keys)
    add("intermediate/child-between", "RFC 7296 §1, RFC 9242 §3.2", child_between)
    for what in ("nothing", "first-alone", "changed", "other-number"):
        add(f"intermediate/signed-{what}", "RFC 9242 §3.3.2", wrongly_signed, what=what)
    add("intermediate/after-authentication", "RFC 9242 §3.2", afterwards)
    add("followup/from-nowhere", "RFC 9370 §2.2.4", followup)


def begun(lab, is_agreed=True):
    """A peer with the keys of IKE_SA_INIT, and two key exchanges to come."""
    peer = lab.peer(exchange=ECP256)
    peer.init_request()
    payloads = peer.init_payloads()
    payloads[0] = codec.sa(codec.proposal([
        *peer.cipher.transforms, (PRF, 5), (DH, 19), (ADDKE1, 31), (ADDKE2, 14)]))
    if is_agreed:
        payloads.append(codec.notify(INTERMEDIATE))
    request = peer.init_request(payloads)
    if not is_agreed:
        return peer, request
    peer.begin(request)
    _, _, chosen = codec.read_proposal(codec.one(codec.read_chain(
        peer.init_messages[1][16], peer.init_messages[1][28:]), codec.SA))
    expect((ADDKE1, 31) in chosen and (ADDKE2, 14) in chosen, f"it chose {chosen}")
    peer.chunks = [b"", b""]
    return peer


def authenticated(message, sealed, opener):
    """RFC 9242 §3.3.2: the message as it would be without IV, padding and checksum."""
    clear = len(message) - len(sealed.body)
    plaintext = opener(message[:clear], sealed.body)
    inner = plaintext[:len(plaintext) - 1 - plaintext[-1]]
    head = bytearray(message[:clear])
    head[24:28] = struct.pack("!I", clear + len(inner))
    head[clear - 2:clear] = struct.pack("!H", 4 + len(inner))
    return bytes(head) + inner


def exchange(peer, pair):
    """One IKE_INTERMEDIATE with a public value each way; new keys and new IntAuth come of it."""
    found = peer.exchange_of(IKE_INTERMEDIATE, [codec.ke(pair.group, pair.public)])
    group, public = codec.read_ke(codec.one(found, KE))
    expect(group == pair.group, f"a value of group {group}")
    for side, (message, opener, key) in enumerate((
            (peer.last_request, peer.own_cipher.open, peer.keys.pi),
            (peer.last_answer, peer.other_cipher.open, peer.keys.pr))):
        sealed = codec.read_chain(message[16], message[28:])[-1]
        peer.chunks[side] = prf(key, peer.chunks[side] + authenticated(message, sealed, opener))
    peer.former = peer.keys
    peer.keys = Keys(peer.cipher, pair.shared(public), peer.nonce_i + peer.nonce_r,
                     peer.spi_i + peer.spi_r, old=peer.keys.d)


def sign(peer):
    peer.int_auth = peer.chunks[0] + peer.chunks[1] + peer.next_id.to_bytes(4, "big")


def finish(peer):
    """What is left of the exchanges, and IKE_AUTH."""
    for number, kind in enumerate((X25519, MODP), 1):
        if peer.next_id == number:
            exchange(peer, kind())
    sign(peer)
    peer.authenticate().expect_echo()


def fails(peer, found):
    """An error alone came back, and there is no IKE SA."""
    errors = [kind for kind in codec.notifies(found) if kind < 16384]
    expect(errors and KE not in [payload.kind for payload in found], f"answered by {found}")
    not_established(peer)


def not_established(peer):
    connection = peer.lab.connection(peer)
    expect(connection["state"] != "established", "an IKE SA was established")
    expect(not connection["tunnels"][0]["securityAssociations"], "there is a child")


def good(lab):
    finish(begun(lab))


def left_out(lab, done):
    """IKE_AUTH before every agreed key exchange is done proves nothing."""
    peer = begun(lab)
    for kind in (X25519, MODP)[:done]:
        exchange(peer, kind())
    sign(peer)
    answer = peer.ask(peer.seal(IKE_AUTH, peer.auth_payloads()), 0.4)
    if answer:
        found = peer.without_window(peer.open(answer))
        expect(IDR not in [payload.kind for payload in found], "the gateway authenticated")
    not_established(peer)


def third(lab):
    """One more than was agreed on brings no value."""
    peer = begun(lab)
    for kind in (X25519, MODP):
        exchange(peer, kind())
    pair = X25519()
    answer = peer.ask(peer.seal(IKE_INTERMEDIATE, [codec.ke(31, pair.public)]), 0.4)
    if answer:
        found = peer.open(answer)
        expect(KE not in [payload.kind for payload in found], "it went on")
    not_established(peer)


def wrong_value(lab, group, value):
    peer = begun(lab)
    value = MODP().public if value is None else value
    fails(peer, peer.exchange_of(IKE_INTERMEDIATE, [codec.ke(group, value)]))


def odd_payloads(lab, count):
    peer = begun(lab)
    values = [codec.ke(31, X25519().public) for _ in range(count)]
    fails(peer, peer.exchange_of(IKE_INTERMEDIATE, values))


def critical_unknown(lab):
    peer = begun(lab)
    fails(peer, peer.exchange_of(IKE_INTERMEDIATE, [
        codec.ke(31, X25519().public), Payload(200, b"", critical=True)]))


def not_negotiated(lab):
    """An IKE_INTERMEDIATE that was not agreed on is not heard, or is an error."""
    peer = lab.begun()
    answer = peer.ask(peer.seal(IKE_INTERMEDIATE, [codec.ke(31, X25519().public)]), 0.3)
    if answer is None:
        peer.authenticate().expect_echo()
    else:
        fails(peer, peer.open(answer))


def without_notify(lab):
    """Additional exchanges need IKE_INTERMEDIATE: without its notify the offer is none."""
    peer, request = begun(lab, is_agreed=False)
    refused_or_ignored(lab, peer, request, (NO_PROPOSAL_CHOSEN, INVALID_SYNTAX))
    not_established(peer)


def garbage(lab):
    peer = begun(lab)
    for length in (0, 20, 24, 60, 300, 4000):
        content = Payload(codec.SK, os.urandom(length), following=KE)
        peer.send(codec.message(peer.spi_i, peer.spi_r, IKE_INTERMEDIATE, INITIATOR, 1, [content]))
    ignored(lab, peer)
    finish(peer)


def repeated(lab):
    """The same request has the same answer, also when the keys have changed by it."""
    peer = begun(lab)
    exchange(peer, X25519())
    for _ in range(3):
        expect(peer.ask(peer.last_request, 0.5) == peer.last_answer, "another answer, or none")
    finish(peer)


def old_keys(lab):
    """What is sealed by the keys of before is no message any more."""
    peer = begun(lab)
    exchange(peer, X25519())
    new, peer.keys = peer.keys, peer.former
    request = peer.seal(IKE_INTERMEDIATE, [codec.ke(14, MODP().public)])
    peer.keys = new
    ignored(lab, peer, request)
    finish(peer)


def child_between(lab):
    peer = begun(lab)
    exchange(peer, X25519())
    child = peer.child_payloads(b"\1\2\3\4")
    ignored(lab, peer, peer.seal(CREATE_CHILD_SA, [
        child[0], codec.nonce(os.urandom(32)), *child[1:]]))
    not_established(peer)
    finish(peer)


def wrongly_signed(lab, what):
    """AUTH covers every IKE_INTERMEDIATE message and the number of IKE_AUTH."""
    peer = begun(lab)
    exchange(peer, X25519())
    first = list(peer.chunks)
    exchange(peer, MODP())
    if what == "first-alone":
        peer.chunks = first
    elif what == "changed":
        peer.chunks[1] = os.urandom(32)
    sign(peer)
    if what == "nothing":
        peer.int_auth = b""
    elif what == "other-number":
        peer.int_auth = peer.int_auth[:-1] + b"\1"
    found = peer.exchange_of(IKE_AUTH, peer.auth_payloads())
    expect(codec.notifies(found) == [AUTHENTICATION_FAILED] and len(found) == 1,
           f"answered by {codec.notifies(found)}")
    not_established(peer)


def afterwards(lab):
    """Once the peer is authenticated there is no IKE_INTERMEDIATE."""
    peer = begun(lab)
    finish(peer)
    found = peer.exchange_of(IKE_INTERMEDIATE, [codec.ke(31, X25519().public)])
    expect(KE not in [payload.kind for payload in found] and codec.notifies(found),
           f"answered by {found}")


def followup(lab):
    """A further exchange of a rekey that nobody began: STATE_NOT_FOUND, and all goes on."""
    for link in (b"", b"\0", os.urandom(16), os.urandom(2000)):
        peer = lab.insider()
        found = peer.exchange_of(IKE_FOLLOWUP_KE, [
            codec.ke(31, X25519().public), codec.notify(ADDITIONAL_KEY_EXCHANGE, link)])
        kinds = codec.notifies(found)
        expect(kinds == [STATE_NOT_FOUND], f"answered by {kinds}")
        peer.expect_alive()
        peer.expect_echo()
