"""IKE_AUTH by those who are not who they say, and what is tried before it or in its place."""

import os

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    AUTH, AUTHENTICATION_FAILED, CREATE_CHILD_SA, IDI, IDR, IKE_AUTH, INFORMATIONAL,
    INITIAL_CONTACT, INVALID_SYNTAX, NO_PROPOSAL_CHOSEN, PROTOCOL_IKE, SA, TS_UNACCEPTABLE, TSI, TSR,
    UNSUPPORTED_CRITICAL_PAYLOAD, Payload)
from Tests.Abuse.judging import ignored, refused, still_begins
from Tests.Abuse.keys import psk_auth
from Tests.Lab.processes import expect


def register(add):
    add("auth/wrong-secret", "RFC 7296 §2.15, §2.21.2", wrong_secret)
    add("auth/unknown-identity", "RFC 7296 §2.21.2", other_identity, name=b"nobody.example")
    add("auth/identity-of-another", "RFC 7296 §2.21.2, RFC 4301 §4.4.3", other_identity,
        name=b"peer-3.example")
    add("auth/identity-of-the-gateway", "RFC 7296 §2.21.2", other_identity, name=b"left.example")
    add("auth/identity-types", "RFC 7296 §3.5, §2.21.2", identity_types)
    add("auth/identity-empty", "RFC 7296 §3.5", other_identity, name=b"")
    add("auth/identity-huge", "RFC 7296 §3.5", other_identity, name=b"a" * 6000)
    add("auth/another-gateway-wanted", "RFC 7296 §2.21.2", other_gateway)
    for method in (0, 1, 3, 9, 12, 13, 14, 201):
        add(f"auth/method-{method}", "RFC 7296 §3.8, §2.21.2", other_method, method=method)
    for name, change in (("empty", lambda proof: b""), ("cut", lambda proof: proof[:-1]),
                         ("longer", lambda proof: proof + b"\0"),
                         ("first-octet", lambda proof: bytes([proof[0] ^ 1]) + proof[1:]),
                         ("last-bit", last_bit)):
        add(f"auth/proof-{name}", "RFC 7296 §2.15, §2.21.2", changed_proof, change=change)
    add("auth/proof-for-another-message", "RFC 7296 §2.15", proof_of_other, what="message")
    add("auth/proof-for-another-nonce", "RFC 7296 §2.15", proof_of_other, what="nonce")
    add("auth/proof-of-the-responder", "RFC 7296 §2.15", proof_of_responder)
    add("auth/without-proof", "RFC 7296 §2.16, §2.21.2", without_proof)
    add("auth/without-identity", "RFC 7296 §1.2, §2.21.2", without_identity)
    add("auth/two-of-a-payload", "RFC 7296 §1.2, §2.21.2", two_of_a_payload)
    add("auth/critical-unknown", "RFC 7296 §2.5, §2.21.2", critical_unknown)
    add("auth/malformed", "RFC 7296 §2.21.2", malformed)
    add("auth/in-clear", "RFC 7296 §1.2, §3.14", in_clear)
    add("auth/garbage-a-thousand-times", "RFC 7296 §2.2, §3.14", garbage)
    add("auth/every-octet-of-it-changed", "RFC 7296 §3.14", every_octet)
    add("auth/message-ids", "RFC 7296 §2.2, §2.3", message_ids)
    add("auth/repeated", "RFC 7296 §2.1", repeated)
    add("auth/same-number-other-message", "RFC 7296 §2.1", same_number)
    add("auth/a-second-one", "RFC 7296 §1.2, §2.21.3", second)
    add("auth/child-before", "RFC 7296 §1, §1.3", before, exchange=CREATE_CHILD_SA)
    add("auth/informational-before", "RFC 7296 §1, §1.4", before, exchange=INFORMATIONAL)
    add("auth/child-within", "RFC 7296 §1", child_within_init)
    add("auth/selectors-outside-the-policy", "RFC 7296 §2.9, §2.21.2", selectors_outside)
    add("auth/no-acceptable-esp", "RFC 7296 §2.21.2", no_esp)
    for left_out in (TSI, TSR, None):
        name = {TSI: "without-tsi", TSR: "without-tsr", None: "with-spi-zero"}[left_out]
        add(f"auth/child-{name}", "RFC 7296 §2.21.2", senseless_child, left_out=left_out)
    add("auth/initial-contact-of-another", "RFC 7296 §2.4", initial_contact)
    add("auth/beginning-repeated", "RFC 7296 §2.1", beginning_repeated)
    add("auth/beginning-replayed-later", "RFC 7296 §2.1, §2.6", beginning_replayed)
    add("auth/beginning-with-the-same-spi", "RFC 7296 §2.6", same_spi)


def last_bit(octets):
    """The same but for that bit."""
    return octets[:-1] + bytes([octets[-1] ^ 1])


def fails(peer, kind=AUTHENTICATION_FAILED, payloads=None, **changes):
    """IKE_AUTH is answered by the notify alone, and the IKE SA is gone. Nothing is said of why."""
    refused(peer, IKE_AUTH, payloads or peer.auth_payloads(**changes), kind)
    peer.expect_dead()
    expect(not peer.lab.connection(peer).get("ikeSA"), "the gateway has an IKE SA")


def wrong_secret(lab):
    peer = lab.begun()
    peer.secret = b"not-the-secret"
    fails(peer)
    expect("secret" in lab.failure(peer).get("summary", ""), f"status says {lab.failure(peer)}")


def other_identity(lab, name):
    peer = lab.begun()
    kind = INVALID_SYNTAX if not name else AUTHENTICATION_FAILED
    found = peer.exchange_of(IKE_AUTH, peer.auth_payloads(id=codec.identity(IDI, name)))
    expect(codec.notifies(found) in ([kind], [AUTHENTICATION_FAILED]) and len(found) == 1,
           f"answered by {codec.notifies(found)}")
    peer.expect_dead()


def identity_types(lab):
    """Types that do not exist, and addresses of the wrong length."""
    for id_type, name in ((0, b"x"), (4, b"x"), (1, b"\1\2\3"), (1, b"\1\2\3\4\5"), (5, b"\1\2\3\4"),
                          (9, b"\xff" * 30), (255, b"x")):
        peer = lab.begun()
        payload = Payload(IDI, bytes([id_type, 0, 0, 0]) + name)
        found = peer.exchange_of(IKE_AUTH, peer.auth_payloads(id=payload))
        expect(codec.notifies(found) in ([AUTHENTICATION_FAILED], [INVALID_SYNTAX]),
               f"type {id_type}: answered by {codec.notifies(found)}")
        peer.expect_dead()


def other_gateway(lab):
    fails(lab.begun(), id_r=codec.identity(IDR, b"somebody-else.example"))


def other_method(lab, method):
    peer = lab.begun()
    proof = psk_auth(peer.secret, peer.signed_octets(codec.identity(IDI, peer.identity)))
    fails(peer, auth=codec.auth(proof, method=method))


def changed_proof(lab, change):
    peer = lab.begun()
    proof = psk_auth(peer.secret, peer.signed_octets(codec.identity(IDI, peer.identity)))
    fails(peer, auth=codec.auth(change(proof)))


def proof_of_other(lab, what):
    """A proof made for another IKE SA of the same peer proves nothing for this one."""
    peer = lab.begun()
    right = peer.init_messages, peer.nonce_r
    if what == "message":
        peer.init_messages = (
            last_bit(peer.init_messages[0]), peer.init_messages[1])
    else:
        peer.nonce_r = os.urandom(32)
    proof = psk_auth(peer.secret, peer.signed_octets(codec.identity(IDI, peer.identity)))
    peer.init_messages, peer.nonce_r = right
    fails(peer, auth=codec.auth(proof))


def proof_of_responder(lab):
    """The proof that the gateway itself would give, with the peer's identity."""
    peer = lab.begun()
    payload = codec.identity(IDI, peer.identity)
    proof = psk_auth(peer.secret, peer.signed_octets(payload, is_own=False))
    fails(peer, auth=codec.auth(proof))


def without_proof(lab):
    """It asks for EAP, which this connection has not."""
    fails(lab.begun(), auth=None)


def without_identity(lab):
    peer = lab.begun()
    fails(peer, INVALID_SYNTAX, [*peer.auth_payloads()[1:]])


def two_of_a_payload(lab):
    for position in range(6):
        peer = lab.begun()
        payloads = peer.auth_payloads()
        fails(peer, INVALID_SYNTAX, [*payloads, payloads[position]])


def critical_unknown(lab):
    """The whole message is rejected for it, and the proof not even looked at."""
    peer = lab.begun()
    found = peer.exchange_of(IKE_AUTH, [*peer.auth_payloads(), Payload(200, b"", critical=True)])
    expect(codec.notifies(found) == [UNSUPPORTED_CRITICAL_PAYLOAD] and len(found) == 1
           and found[0].notify[3] == b"\xc8", f"answered by {codec.notifies(found)}")
    expect(not lab.connection(peer).get("ikeSA"), "the gateway has an IKE SA")


def malformed(lab):
    for payloads in ((codec.NOTIFY, b"\0\0\0\3"), (codec.SA, b"\0\0\xff\xff"),
                     (IDI, b"\0\0\0\5\1"), (AUTH, b"\0\0\0\4"), (TSI, b"\0\0\0\10\xff\0\0\0")):
        fails(lab.begun(), INVALID_SYNTAX, payloads)


def in_clear(lab):
    """The same without encryption changes nothing; the right one comes through afterwards."""
    peer = lab.begun()
    clear = codec.message(peer.spi_i, peer.spi_r, IKE_AUTH, codec.INITIATOR, 1,
                          peer.auth_payloads())
    ignored(lab, peer, clear)
    peer.authenticate().expect_echo()


def garbage(lab):
    peer = lab.begun()

    def send():
        for number in range(1000):
            content = Payload(codec.SK, os.urandom(24 + number % 200), following=IDI)
            peer.send(codec.message(peer.spi_i, peer.spi_r, IKE_AUTH, codec.INITIATOR, 1,
                                    [content]))
            if number % 100 == 99:
                lab.settle()
    lab.expect_dropped("ike-unauthentic", send, at_least=900)
    peer.silence()
    peer.authenticate().expect_echo()


def every_octet(lab):
    """Nothing in the message can be changed: header, generic header, IV, content, checksum."""
    peer = lab.begun()
    right = peer.seal(IKE_AUTH, peer.auth_payloads())
    for position in range(len(right)):
        changed = bytearray(right)
        changed[position] ^= 1 << position % 8
        peer.send(bytes(changed))
    lab.settle()
    for answer in peer.arrivals(0.05):
        outer = codec.read_chain(codec.read_header(answer).first, answer[28:])
        expect(outer[0].kind == codec.NOTIFY, "a changed message had a protected answer")
    expect(not lab.connection(peer).get("ikeSA"), "the gateway believed a changed message")
    peer.authenticate().expect_echo()


def message_ids(lab):
    """Only the next number counts; what has another is not even decrypted."""
    peer = lab.begun()
    payloads = peer.auth_payloads()
    ignored(lab, peer, *(peer.seal(IKE_AUTH, payloads, message_id=number)
                         for number in (0, 2, 3, 100, 0x7FFFFFFF, 0xFFFFFFFF)))
    peer.authenticate().expect_echo()


def repeated(lab):
    """The same request has the same answer, octet for octet, and creates nothing twice."""
    peer = lab.insider()
    for _ in range(5):
        expect(peer.ask(peer.last_request) == peer.last_answer, "another answer, or none")
    tunnel = lab.connection(peer)["tunnels"][0]
    expect(len(tunnel["securityAssociations"]) == 1, f"{tunnel['securityAssociations']}")
    peer.expect_echo()


def same_number(lab):
    """Another request under a number that is used up is no request."""
    peer = lab.insider()
    ignored(lab, peer, peer.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)], message_id=1),
            peer.seal(IKE_AUTH, peer.auth_payloads(), message_id=1))
    peer.expect_alive()


def second(lab):
    """Who is authenticated cannot authenticate again, as somebody else least of all."""
    peer = lab.insider()
    first = lab.connection(peer)["ikeSA"]
    found = peer.exchange_of(IKE_AUTH, peer.auth_payloads(
        id=codec.identity(IDI, b"peer-3.example")))
    expect(codec.notifies(found) and SA not in [payload.kind for payload in found],
           f"answered by {[payload.kind for payload in found]}")
    now = lab.connection(peer).get("ikeSA")
    expect(now is None or now["remoteIdentity"] == first["remoteIdentity"], f"it is {now}")


def before(lab, exchange):
    """Nothing but IKE_AUTH is heard before authentication (CVE-2018-10811 and its like)."""
    peer = lab.begun()
    if exchange == CREATE_CHILD_SA:
        child = peer.child_payloads(b"\1\2\3\4")
        payloads = [child[0], codec.nonce(os.urandom(32)), *child[1:]]
    else:
        payloads = [codec.delete(PROTOCOL_IKE), codec.notify(AUTHENTICATION_FAILED)]
    ignored(lab, peer, peer.seal(exchange, payloads))
    expect(not lab.connection(peer)["tunnels"][0]["securityAssociations"], "there is a child")
    peer.authenticate().expect_echo()


def child_within_init(lab):
    """A Child SA cannot be had in IKE_SA_INIT: whatever comes back, there is none."""
    peer = lab.peer()
    peer.init_request()
    peer.send(peer.init_request([*peer.init_payloads(), codec.delete(PROTOCOL_IKE),
                                 *peer.child_payloads(b"\1\2\3\4")[1:]]))
    lab.settle()
    expect(not lab.connection(peer)["tunnels"][0]["securityAssociations"], "there is a child")
    list(peer.arrivals(0.05))
    peer.spi_i = os.urandom(8)
    still_begins(peer)


def selectors_outside(lab):
    """Authentication holds where the child does not come about (and says why)."""
    peer = lab.begun()
    outside = codec.selectors(TSI, codec.network("203.0.113.0/24"))
    found = peer.exchange_of(IKE_AUTH, peer.auth_payloads(
        child=peer.child_payloads(b"\1\2\3\4", tsi=outside)))
    peer.verify(found, IDR)
    expect(codec.errors(found) == [TS_UNACCEPTABLE], f"errors {codec.errors(found)}")
    peer.expect_alive()
    peer.create_child()
    peer.expect_echo()


def no_esp(lab):
    peer = lab.begun()
    child = peer.child_payloads(b"\1\2\3\4")
    child[0] = codec.sa(codec.proposal([(codec.ENCR, 3), (codec.INTEG, 1), (codec.ESN, 0)],
                                       protocol=codec.PROTOCOL_ESP, spi=b"\1\2\3\4"))
    found = peer.exchange_of(IKE_AUTH, peer.auth_payloads(child=child))
    peer.verify(found, IDR)
    expect(codec.errors(found) == [NO_PROPOSAL_CHOSEN], f"errors {codec.errors(found)}")
    peer.expect_alive()


def senseless_child(lab, left_out):
    """Other than a child that does not fit, one that makes no sense takes the IKE SA along."""
    peer = lab.begun()
    spi = b"\1\2\3\4" if left_out else bytes(4)
    child = [payload for payload in peer.child_payloads(spi) if payload.kind != left_out]
    fails(peer, INVALID_SYNTAX, peer.auth_payloads(child=child))


def initial_contact(lab):
    """INITIAL_CONTACT speaks for the identity that says it, and for no other."""
    victim = lab.victim()
    peer = lab.begun()
    payloads = [*peer.auth_payloads(), codec.notify(INITIAL_CONTACT)]
    peer.verify(peer.exchange_of(IKE_AUTH, payloads), IDR)
    victim.expect_alive()
    victim.expect_echo()


def beginning_repeated(lab):
    """The same request has the same answer as long as nothing followed it."""
    peer = lab.begun()
    for _ in range(5):
        answer = peer.ask(peer.init_messages[0], nat=False)
        expect(answer == peer.init_messages[1], "another answer, or none")
    peer.authenticate().expect_echo()


def beginning_replayed(lab):
    """Replayed when the tunnel stands, it makes at most a new half-open SA."""
    peer = lab.victim()
    for _ in range(5):
        peer.send(peer.init_messages[0], nat=False)
    lab.settle()
    peer.expect_alive()
    peer.expect_echo()


def same_spi(lab):
    """Another IKE_SA_INIT with the initiator's SPI of an established SA."""
    peer = lab.victim()
    kept = peer.nonce_i
    for _ in range(5):
        peer.nonce_i, peer.key_pair = os.urandom(32), peer.exchange()
        right_spi, peer.spi_r = peer.spi_r, bytes(8)
        peer.send(peer.init_request(), nat=False)
        peer.spi_r = right_spi
    peer.nonce_i = kept
    lab.settle()
    peer.expect_alive()
    peer.expect_echo()
