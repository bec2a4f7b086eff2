"""The gateway begins, and who answers is no friend: a responder that lies, and strangers that
answer before the true one can."""

import os
import time

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    AUTHENTICATION_FAILED, COOKIE, DH, ENCR, ESN, IDR, IKE_SA_INIT, INFORMATIONAL, INITIATOR,
    INTEG, INVALID_IKE_SPI, INVALID_KE_PAYLOAD, INVALID_MAJOR_VERSION, INVALID_SYNTAX,
    NO_PROPOSAL_CHOSEN, PRF, PROTOCOL_ESP, PROTOCOL_IKE, REDIRECT, RESPONSE, TSI, TSR, Payload)
from Tests.Abuse.keys import psk_auth
from Tests.Abuse.peer import GATEWAY_NETWORK
from Tests.Lab.processes import expect, wait_until

GOOD = [(ENCR, 20, 256), (PRF, 5), (DH, 31)]


def register(add):
    add("answer/cookie-after-cookie", "RFC 7296 §2.6", cookie_loop)
    add("answer/cookie-sizes", "RFC 7296 §2.6", cookie_sizes)
    add("answer/other-group-again-and-again", "RFC 7296 §1.2, §2.7", group_loop)
    add("answer/group-that-was-not-offered", "RFC 7296 §1.2", strange_group)
    add("answer/cookie-and-other-group-in-turn", "RFC 7296 §2.6.1", cookie_and_group)
    for name, payload in {
        "no-proposal-chosen": codec.notify(NO_PROPOSAL_CHOSEN),
        "invalid-syntax": codec.notify(INVALID_SYNTAX),
        "authentication-failed": codec.notify(AUTHENTICATION_FAILED),
        "invalid-major-version": codec.notify(INVALID_MAJOR_VERSION, b"\1"),
        "invalid-ike-spi": codec.notify(INVALID_IKE_SPI),
        "redirect": codec.notify(REDIRECT, b"\1\4\xc6\x33\x64\x63"),
        "unknown-error": codec.notify(8000),
        "delete": codec.delete(PROTOCOL_IKE),
    }.items():
        add(f"answer/forged-{name}-before-the-true-one", "RFC 7296 §2.21.1", forged_before,
            payload=payload)
    add("answer/own-request-reflected", "RFC 7296 §2.6, §3.1", reflected)
    add("answer/garbage-before-the-true-one", "RFC 7296 §2.21", garbage_before)
    add("answer/truncated-before-the-true-one", "RFC 7296 §2.21, §3.1", truncated_before)
    for name, changes in {
        "responder-spi-zero": {"responder": bytes(8)},
        "message-id": {"message_id": 1},
        "initiator-flag": {"flags": RESPONSE | INITIATOR},
        "not-a-response": {"flags": 0},
        "exchange": {"exchange": INFORMATIONAL},
        "version": {"version": 0x30},
        "length": {"length": 100},
    }.items():
        add(f"answer/wrong-{name}", "RFC 7296 §3.1, §2.21", wrong_header, changes=changes)
    for name, proposal in {
        "algorithm-not-offered": lambda: codec.proposal([(ENCR, 11), (PRF, 5), (DH, 31)]),
        "key-length-not-offered": lambda: codec.proposal([(ENCR, 20, 192), *GOOD[1:]]),
        "proposal-that-is-none": lambda: codec.proposal(GOOD, number=9),
        "two-algorithms-of-a-kind": lambda: codec.proposal([GOOD[0], (ENCR, 12, 256), *GOOD[1:]]),
        "two-proposals": lambda: codec.proposal(GOOD, more=True) + codec.proposal(GOOD, number=2),
        "no-prf": lambda: codec.proposal([GOOD[0], GOOD[2]]),
        "gcm-with-integrity": lambda: codec.proposal([*GOOD, (INTEG, 12)]),
        "group-without-value": lambda: codec.proposal([*GOOD[:2], (DH, 14)]),
        "esp": lambda: codec.proposal([(ENCR, 20, 256), (ESN, 0)], protocol=PROTOCOL_ESP,
                                      spi=b"\1\2\3\4"),
    }.items():
        add(f"answer/{name}", "RFC 7296 §2.7, §3.3.6", wrong_choice, make=proposal)
    for name, value in {"zero": bytes(32), "one": b"\1" + bytes(31), "short": b"\1" * 31,
                        "long": b"\1" * 33, "none": b""}.items():
        add(f"answer/public-value-{name}", "RFC 8031 §4, RFC 7296 §3.4", wrong_value, value=value)
    for octets in (0, 15, 257):
        add(f"answer/nonce-of-{octets}-octets", "RFC 7296 §3.9", wrong_nonce, octets=octets)
    add("answer/two-true-ones", "RFC 7296 §2.1", two_answers)
    add("answer/critical-unknown", "RFC 7296 §2.5", critical_unknown)
    register_authentication(add)


def register_authentication(add):
    add("answer/auth-in-clear", "RFC 7296 §2.21.2, §3.14", auth_in_clear)
    add("answer/auth-garbage", "RFC 7296 §3.14", auth_garbage)
    add("answer/auth-wrong-number", "RFC 7296 §2.1, §2.2", auth_wrong_number)
    add("answer/auth-wrong-secret", "RFC 7296 §2.15, §2.21.2", auth_wrong, what="secret")
    add("answer/auth-wrong-identity", "RFC 7296 §2.15, §2.21.2", auth_wrong, what="identity")
    add("answer/auth-wrong-method", "RFC 7296 §3.8, §2.21.2", auth_wrong, what="method")
    add("answer/auth-missing", "RFC 7296 §1.2, §2.21.2", auth_wrong, what="missing")
    add("answer/auth-of-the-initiator", "RFC 7296 §2.15", auth_wrong, what="reflected")
    add("answer/auth-own-message-reflected", "RFC 7296 §3.14", auth_reflected)
    add("answer/child-wider-than-asked", "RFC 7296 §2.9", child_wrong, what="wide")
    add("answer/child-of-other-networks", "RFC 7296 §2.9", child_wrong, what="other")
    add("answer/child-algorithm-not-offered", "RFC 7296 §2.7", child_wrong, what="algorithm")
    add("answer/child-spi-zero", "RFC 4303 §2.1", child_wrong, what="spi")
    add("answer/child-without-selectors", "RFC 7296 §1.2", child_wrong, what="none")


class Initiated:
    """A gateway that has begun with the peer; `finish` gives the right answers from here on."""

    def __init__(self, lab):
        self.lab, self.peer = lab, lab.peer()
        self.begun = lab.up(self.peer)
        self.seen = self.peer.await_init()

    def send(self, *messages):
        for message in messages:
            self.peer.send(message, nat=False)
        self.lab.settle()

    def notify(self, *payloads, **changes):
        """An answer without SA payload, which need have no SPI."""
        self.send(self.peer.init_answer(list(payloads), **{"responder": bytes(8), **changes}))

    def next_requests(self, seconds):
        """The IKE_SA_INIT requests that come within the time."""
        return [data for data in self.peer.arrivals(seconds, nat=False)
                if codec.read_header(data).exchange == IKE_SA_INIT
                and not codec.read_header(data).is_response]

    def await_again(self, seconds=1.5):
        self.seen = self.peer.await_init(seconds)
        return self.seen

    def finish(self):
        """The true peer answers, and the tunnel comes up."""
        # What was sent in between is answered by its last form.
        for data in self.next_requests(0.01):
            self.peer.init_seen = data
            payloads = codec.read_chain(codec.read_header(data).first, data[28:])
            self.peer.nonce_i = codec.one(payloads, codec.NONCE).body
            _, self.peer.public_seen = codec.read_ke(codec.one(payloads, codec.KE))
        self.peer.answer_init()
        self.peer.answer_auth()
        self.peer.expect_echo()

    def expect_no_tunnel(self, seconds=3.0):
        """`cygnet up` ends without one, and status says why."""
        wait_until(lambda: not self.begun.is_running(), "cygnet up ends", seconds)
        expect(self.begun.process.returncode != 0, f"it came up: {self.begun.output()}")
        connection = self.lab.connection(self.peer)
        expect(not connection["tunnels"][0]["securityAssociations"], "there is a child")
        expect(connection.get("lastFailure"), "status does not say why")


# IKE_SA_INIT


def cookie_loop(lab):
    """A cookie after each cookie: followed a few times, never forever, and never faster than it is
    asked."""
    gateway = Initiated(lab)
    count, deadline = 1, time.monotonic() + 2
    while time.monotonic() < deadline:
        gateway.notify(codec.notify(COOKIE, os.urandom(20)))
        count += len(gateway.next_requests(0.05))
    expect(count <= 15, f"{count} requests in two seconds")


def cookie_sizes(lab):
    """Cookies have 1 to 64 octets; others are passed over."""
    gateway = Initiated(lab)
    for octets in (0, 65, 1000, 20_000):
        gateway.notify(codec.notify(COOKIE, os.urandom(octets)))
        for data in gateway.next_requests(0.05):
            payloads = codec.read_chain(codec.read_header(data).first, data[28:])
            expect(COOKIE not in codec.notifies(payloads), f"a cookie of {octets} was returned")
    gateway.notify(codec.notify(COOKIE, b"c" * 64))
    again = gateway.await_again()
    expect(again[0].kind == codec.NOTIFY and again[0].notify[3] == b"c" * 64,
           "the cookie does not come first")
    gateway.finish()


def group_loop(lab):
    gateway = Initiated(lab)
    count, deadline, group = 1, time.monotonic() + 2, 14
    while time.monotonic() < deadline:
        gateway.notify(codec.notify(INVALID_KE_PAYLOAD, group.to_bytes(2, "big")))
        count += len(gateway.next_requests(0.05))
        group = {14: 19, 19: 31, 31: 14}[group]
    expect(count <= 15, f"{count} requests in two seconds")


def strange_group(lab):
    """A group that was not offered is not used, whoever asks for it."""
    gateway = Initiated(lab)
    for group in (1, 2, 5, 22, 15, 65535):
        gateway.notify(codec.notify(INVALID_KE_PAYLOAD, group.to_bytes(2, "big")))
    for data in (b"", b"\0", b"\0\0\0\x0e"):
        gateway.notify(codec.notify(INVALID_KE_PAYLOAD, data))
    for data in gateway.next_requests(0.05):
        payloads = codec.read_chain(codec.read_header(data).first, data[28:])
        expect(codec.read_ke(codec.one(payloads, codec.KE))[0] == 31, "another group came")
    gateway.finish()


def cookie_and_group(lab):
    """A responder may ask for both, one after the other; the cookie goes along with the new value."""
    gateway = Initiated(lab)
    gateway.notify(codec.notify(COOKIE, b"first"))
    gateway.await_again()
    gateway.notify(codec.notify(INVALID_KE_PAYLOAD, b"\0\x0e"))
    seen = gateway.await_again()
    expect(gateway.peer.group_seen == 14, f"group {gateway.peer.group_seen} came")
    gateway.notify(codec.notify(COOKIE, b"second"))
    seen = gateway.await_again()
    expect(seen[0].notify[3] == b"second" and gateway.peer.group_seen == 14, "not both")


def forged_before(lab, payload):
    """Nobody vouches for an error in IKE_SA_INIT: the true answer behind it still counts."""
    gateway = Initiated(lab)
    gateway.notify(payload)
    gateway.notify(payload, responder=os.urandom(8))
    gateway.finish()


def reflected(lab):
    """Its own request, as it is and made to look like an answer."""
    gateway = Initiated(lab)
    own = gateway.peer.init_seen
    answer = bytearray(own)
    answer[19] = RESPONSE
    gateway.send(own, bytes(answer[:8] + os.urandom(8) + answer[16:]), bytes(answer))
    # The second is an answer by the letter, with the gateway's own value and nonce: from then on
    # only who knows the private value could go on, and that is the gateway alone.
    connection = lab.connection(gateway.peer)
    expect(not connection["tunnels"][0]["securityAssociations"], "there is a child")
    expect(connection["state"] != "established", "it is established with itself")


def garbage_before(lab):
    gateway = Initiated(lab)
    peer = gateway.peer
    for length in (1, 27, 28, 100, 1400):
        gateway.send(os.urandom(length))
        gateway.send(peer.spi_i + os.urandom(length))
        gateway.send(codec.header(peer.spi_i, os.urandom(8), IKE_SA_INIT, RESPONSE, 0, codec.SA,
                                  28 + length) + os.urandom(length))
    gateway.finish()


def truncated_before(lab):
    gateway = Initiated(lab)
    peer = gateway.peer
    peer.spi_r, peer.nonce_r = os.urandom(8), os.urandom(32)
    right = peer.init_answer()
    for length in range(20, len(right), 7):
        cut = bytearray(right[:length])
        peer.send(bytes(cut), nat=False)
        if length >= 28:
            cut[24:28] = length.to_bytes(4, "big")
            peer.send(bytes(cut), nat=False)
    lab.settle()
    gateway.finish()


def wrong_header(lab, changes):
    gateway = Initiated(lab)
    peer = gateway.peer
    peer.spi_r, peer.nonce_r = os.urandom(8), os.urandom(32)
    gateway.send(peer.init_answer(**changes))
    gateway.finish()


def answered_with(lab, position, payload):
    """An answer of which one payload is another: no tunnel comes of it; the true one does."""
    gateway = Initiated(lab)
    peer = gateway.peer
    peer.spi_r, peer.nonce_r = os.urandom(8), os.urandom(32)
    payloads = peer.init_payloads(is_first=False)
    payloads[position] = payload
    gateway.send(peer.init_answer(payloads))
    found = [data for data in peer.arrivals(0.05, nat=True)]
    expect(not found, "the gateway went on with it")
    gateway.finish()


def wrong_choice(lab, make):
    answered_with(lab, 0, Payload(codec.SA, make()))


def wrong_value(lab, value):
    answered_with(lab, 1, codec.ke(31, value))


def wrong_nonce(lab, octets):
    answered_with(lab, 2, codec.nonce(os.urandom(octets)))


def two_answers(lab):
    """The first true answer counts, and a second one changes nothing."""
    gateway = Initiated(lab)
    peer = gateway.peer
    peer.answer_init()
    kept = peer.spi_r, peer.nonce_r
    for _ in range(3):
        peer.spi_r, peer.nonce_r = os.urandom(8), os.urandom(32)
        peer.send(peer.init_answer(), nat=False)
    peer.spi_r, peer.nonce_r = kept
    peer.answer_auth()
    peer.expect_echo()


def critical_unknown(lab):
    gateway = Initiated(lab)
    peer = gateway.peer
    peer.spi_r, peer.nonce_r = os.urandom(8), os.urandom(32)
    gateway.send(peer.init_answer([*peer.init_payloads(is_first=False),
                                   Payload(200, b"", critical=True)]))
    expect(not list(peer.arrivals(0.05, nat=True)), "the gateway went on with it")
    gateway.finish()


# IKE_AUTH


def awaiting(lab):
    """A gateway that has sent IKE_AUTH: (it, header, payloads)."""
    gateway = Initiated(lab)
    gateway.peer.answer_init()
    read, seen = gateway.peer.await_request()
    gateway.peer.verify(seen, codec.IDI)
    return gateway, read, seen


def comes_up(gateway, read, seen):
    peer = gateway.peer
    peer.answer(read, peer.auth_answer(seen))
    offer = codec.one(seen, codec.SA)
    peer.take_child([codec.sa(peer.esp_proposal(offer.body[8:12]))], peer.spi_in)
    peer.expect_echo()


def auth_in_clear(lab):
    """An error without encryption is no answer to IKE_AUTH: the true one behind it counts."""
    gateway, read, seen = awaiting(lab)
    peer = gateway.peer
    for kind in (AUTHENTICATION_FAILED, INVALID_SYNTAX, INVALID_IKE_SPI, NO_PROPOSAL_CHOSEN):
        for exchange in (read.exchange, INFORMATIONAL, IKE_SA_INIT):
            peer.send(codec.message(peer.spi_i, peer.spi_r, exchange, RESPONSE, read.message_id,
                                    [codec.notify(kind)]))
    lab.settle()
    comes_up(gateway, read, seen)


def auth_garbage(lab):
    gateway, read, seen = awaiting(lab)
    peer = gateway.peer
    for length in (0, 8, 23, 24, 60, 300):
        peer.send(codec.message(peer.spi_i, peer.spi_r, read.exchange, RESPONSE, read.message_id,
                                [Payload(codec.SK, os.urandom(length), following=IDR)]))
    lab.settle()
    comes_up(gateway, read, seen)


def auth_wrong_number(lab):
    gateway, read, seen = awaiting(lab)
    peer = gateway.peer
    answer = peer.auth_answer(seen)
    for number in (0, 2, 7, 0xFFFFFFFF):
        peer.send(peer.seal(read.exchange, answer, message_id=number, is_response=True))
    lab.settle()
    expect(lab.connection(peer)["state"] != "established", "it took another number")
    comes_up(gateway, read, seen)


def auth_wrong(lab, what):
    """Who cannot prove to be the peer gets no tunnel."""
    gateway, read, seen = awaiting(lab)
    peer = gateway.peer
    changes = {}
    if what == "secret":
        peer.secret = b"not-the-secret"
    elif what == "identity":
        changes["id"] = codec.identity(IDR, b"peer-3.example")
    elif what == "method":
        payload = codec.identity(IDR, peer.identity)
        changes["auth"] = codec.auth(psk_auth(peer.secret, peer.signed_octets(payload)), method=1)
    elif what == "missing":
        changes["auth"] = None
    else:
        changes["auth"] = codec.one(seen, codec.AUTH)
    peer.answer(read, peer.auth_answer(seen, **changes))
    gateway.expect_no_tunnel()


def auth_reflected(lab):
    """The gateway's own IKE_AUTH, with the flags of an answer: sealed by the wrong key."""
    gateway, read, seen = awaiting(lab)
    own = bytearray(gateway.peer.request_seen)
    for flags in (RESPONSE, RESPONSE | INITIATOR, 0, INITIATOR):
        own[19] = flags
        gateway.peer.send(bytes(own))
    lab.settle()
    comes_up(gateway, read, seen)


def child_wrong(lab, what):
    """A child that is not what was asked for is not installed."""
    gateway, read, seen = awaiting(lab)
    peer = gateway.peer
    spi = bytes(4) if what == "spi" else b"\1\2\3\4"
    sa = codec.sa(peer.esp_proposal(spi))
    ours, theirs = codec.network(GATEWAY_NETWORK), codec.network(peer.inner_network)
    if what == "wide":
        ours = theirs = codec.network("0.0.0.0/0")
    elif what == "other":
        theirs = codec.network("192.168.0.0/16")
    elif what == "algorithm":
        sa = codec.sa(codec.proposal([(ENCR, 11), (INTEG, 12), (ESN, 0)], protocol=PROTOCOL_ESP,
                                     spi=spi))
    child = [sa, codec.selectors(TSI, ours), codec.selectors(TSR, theirs)]
    if what == "none":
        child = child[:1]
    peer.answer(read, peer.auth_answer(seen, child=child))
    gateway.expect_no_tunnel()
