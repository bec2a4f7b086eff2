"""IKE_SA_INIT with payloads that are wrong, from somebody who has proven nothing."""

import os

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    DH, ENCR, ESN, INTEG, INVALID_KE_PAYLOAD, INVALID_SYNTAX, NO_PROPOSAL_CHOSEN, PRF,
    PROTOCOL_ESP, UNSUPPORTED_CRITICAL_PAYLOAD, Payload)
from Tests.Abuse.judging import (
    clear_notify, refused_in_clear, refused_or_ignored, still_begins)
from Tests.Abuse.keys import CBC, ECP256, MODP, MODP2048
from Tests.Lab.processes import expect

UNKNOWN = 200
GOOD = [(ENCR, 20, 256), (PRF, 5), (DH, 31)]
# The points of small order of Curve25519, and the same above the prime (RFC 7748 §6.1, §5).
SMALL_ORDER = [bytes.fromhex(text) for text in (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]


def register(add):
    for name, length in (("zero", 0), ("three", 3), ("one-more", +1), ("largest", 65535)):
        add(f"chain/payload-length-{name}", "RFC 7296 §3.2", payload_length, length=length)
    add("chain/nothing-behind-the-header", "RFC 7296 §3.1, §3.2", nothing_behind)
    add("chain/names-one-more", "RFC 7296 §3.2", names_one_more)
    add("chain/two-thousand-empty-payloads", "RFC 7296 §3.2, §2.6", dense)
    add("chain/critical-unknown", "RFC 7296 §2.5", critical_unknown)
    add("chain/uncritical-unknown", "RFC 7296 §2.5", uncritical_unknown)
    add("chain/critical-known", "RFC 7296 §2.5, §3.2", critical_known)
    add("chain/reserved-bits", "RFC 7296 §2.5", reserved_bits)
    add("chain/any-order", "RFC 7296 §2.5", any_order)
    add("chain/encrypted-in-the-beginning", "RFC 7296 §1.2, §3.14", encrypted)
    for position, name in enumerate(("sa", "ke", "nonce")):
        add(f"chain/without-{name}", "RFC 7296 §1.2", without, position=position)
        add(f"chain/two-{name}", "RFC 7296 §1.2", twice, position=position)
    for length in (0, 15, 257, 8000):
        add(f"nonce/{length}-octets", "RFC 7296 §3.9", nonce_wrong, length=length)
    for length in (16, 256):
        add(f"nonce/{length}-octets", "RFC 7296 §3.9", nonce_right, length=length)
    register_proposals(add)
    register_public_values(add)


def register_proposals(add):
    wrong = {
        "empty": lambda: b"",
        "proposal-length-zero": lambda: codec.proposal(GOOD, length=0),
        "proposal-length-one-less": lambda: codec.proposal(GOOD, length=35),
        "proposal-length-one-more": lambda: codec.proposal(GOOD, length=37),
        "proposal-length-largest": lambda: codec.proposal(GOOD, length=65535),
        "more-proposals-promised": lambda: codec.proposal(GOOD, marker=2),
        "proposal-marker-unknown": lambda: codec.proposal(GOOD, marker=7),
        "transform-length-zero": lambda: codec.proposal(
            [codec.transform(ENCR, 20, 256, length=0), *tail()], count=3),
        "transform-length-seven": lambda: codec.proposal(
            [codec.transform(ENCR, 20, 256, length=7), *tail()], count=3),
        "transform-length-largest": lambda: codec.proposal(
            [codec.transform(ENCR, 20, 256, length=65535), *tail()], count=3),
        "transform-marker-unknown": lambda: codec.proposal(
            [codec.transform(ENCR, 20, 256, marker=9), *tail()], count=3),
        "more-transforms-promised": lambda: codec.proposal(GOOD, count=200),
        "fewer-transforms-promised": lambda: codec.proposal(GOOD, count=1),
        "attribute-cut": lambda: codec.proposal(
            [codec.transform(ENCR, 20, attributes=b"\x80\x0e"), *tail()], count=3),
        "attribute-length-largest": lambda: codec.proposal(
            [codec.transform(ENCR, 20, attributes=b"\x00\x0e\xff\xff"), *tail()], count=3),
        "a-thousand-attributes": lambda: codec.proposal(
            [codec.transform(ENCR, 20, attributes=b"\x80\x0e\x01\x00" * 1000), *tail()], count=3),
        "spi-size-three": lambda: codec.proposal(GOOD, spi=b"\1\2\3"),
        "spi-size-beyond": lambda: codec.proposal(GOOD, spi_size=255),
    }
    for name, make in wrong.items():
        add(f"sa/{name}", "RFC 7296 §3.3.1 to §3.3.5", sa_wrong, make=make)
    add("sa/a-thousand-proposals", "RFC 7296 §3.3, §2.6", thousand_proposals)
    add("sa/two-hundred-and-fifty-five-transforms", "RFC 7296 §3.3.1, §2.6", many_transforms)
    add("sa/the-last-of-forty-proposals", "RFC 7296 §3.3", last_of_forty)
    unacceptable = {
        "unknown-transform-type": [[*GOOD, (99, 1)]],
        "unknown-attribute": [[codec.transform(ENCR, 20, attributes=b"\x80\x63\x00\x01"), *GOOD[1:]]],
        "two-key-lengths": [[codec.transform(
            ENCR, 20, attributes=b"\x80\x0e\x01\x00\x80\x0e\x01\x00"), *GOOD[1:]]],
        "without-key-length": [[(ENCR, 20), *GOOD[1:]]],
        "without-prf": [[GOOD[0], GOOD[2]]],
        "without-encryption": [GOOD[1:]],
        "cbc-without-integrity": [[(ENCR, 12, 256), (PRF, 5), (DH, 31)]],
        "gcm-with-integrity": [[*GOOD, (INTEG, 12)]],
        "weak": [[(ENCR, 2), (INTEG, 1), (PRF, 1), (DH, 1)]],
        "without-transforms": [[]],
    }
    for name, proposals in unacceptable.items():
        add(f"sa/{name}", "RFC 7296 §3.3.3, §3.3.6, RFC 5282 §8", unacceptable_case,
            proposals=proposals)
    add("sa/unknown-algorithm-beside-a-known", "RFC 7296 §3.3.6", unknown_beside)
    add("sa/esp-in-the-beginning", "RFC 7296 §3.3.1", esp_offered)


def register_public_values(add):
    add("ke/other-group", "RFC 7296 §1.3, §3.4", other_group)
    add("ke/other-group-five-hundred-times", "RFC 7296 §1.2, §2.6", other_group_often)
    add("ke/group-not-offered", "RFC 7296 §3.4", group_not_offered)
    for length in (0, 1, 31, 33, 4000):
        add(f"ke/x25519-{length}-octets", "RFC 7296 §3.4, RFC 8031 §3.1", x25519_value,
            values=[os.urandom(length)])
    add("ke/x25519-small-order", "RFC 8031 §4", x25519_value, values=SMALL_ORDER)
    for name, value in (("zero", 0), ("one", 1), ("p-minus-one", MODP2048 - 1), ("p", MODP2048),
                        ("p-plus-one", MODP2048 + 1)):
        add(f"ke/modp-{name}", "RFC 6989 §2.1", modp_value, value=value.to_bytes(256, "big"))
    add("ke/modp-leading-zeros-missing", "RFC 7296 §3.4", modp_value, value=os.urandom(255))
    for name, value in (("zero", bytes(64)), ("off-the-curve", b"\2" * 64),
                        ("beyond-the-field", b"\xff" * 64), ("compressed", b"\2" + b"\1" * 32)):
        add(f"ke/ecp256-{name}", "RFC 6989 §2.3", ecp_value, value=value)


def tail():
    return [codec.transform(PRF, 5), codec.transform(DH, 31, more=False)]


# The chain of payloads


def payload_length(lab, length):
    for position in range(3):
        peer = lab.peer()
        peer.init_request()
        payloads = peer.init_payloads()
        target = payloads[position]
        target.length = len(target.body) + 5 if length == 1 else length
        refused_or_ignored(lab, peer, peer.init_request(payloads))
    still_begins(peer)


def nothing_behind(lab):
    peer = lab.peer()
    for first in (codec.SA, codec.NONCE, UNKNOWN):
        refused_or_ignored(lab, peer, peer.init_request([], first=first))
    refused_or_ignored(lab, peer, peer.init_request([]))
    still_begins(peer)


def names_one_more(lab):
    peer = lab.peer()
    peer.init_request()
    payloads = peer.init_payloads()
    payloads[-1].following = codec.NOTIFY
    refused_or_ignored(lab, peer, peer.init_request(payloads))
    still_begins(peer)


def dense(lab):
    """Payloads of nothing but a header, each naming its own kind: no loop, no memory."""
    peer = lab.peer()
    before = lab.processor_seconds()
    for count in (2_000, 16_000):
        refused_or_ignored(lab, peer, peer.init_request(
            extra=[Payload(UNKNOWN) for _ in range(count)]))
    expect(lab.processor_seconds() - before < 0.5, "it took half a second of the processor")
    still_begins(peer)


def critical_unknown(lab):
    peer = lab.peer()
    request = peer.init_request(extra=[Payload(UNKNOWN, b"?", critical=True)])
    refused_in_clear(peer, request, UNSUPPORTED_CRITICAL_PAYLOAD, bytes([UNKNOWN]))
    still_begins(peer)


def uncritical_unknown(lab):
    peer = lab.peer()
    peer.begin(peer.init_request(extra=[Payload(kind, os.urandom(20)) for kind in (
        UNKNOWN, 1, 32, 49, 127, 128, 255)]))
    peer.authenticate().expect_echo()


def critical_known(lab):
    """The critical flag says nothing about a payload that is known."""
    peer = lab.peer()
    peer.init_request()
    payloads = peer.init_payloads()
    for payload in payloads:
        payload.critical = True
    peer.begin(peer.init_request(payloads)).authenticate().expect_echo()


def reserved_bits(lab):
    peer = lab.peer()
    peer.init_request()
    payloads = peer.init_payloads()
    for payload in payloads:
        payload.reserved = 0x7F
    peer.begin(peer.init_request(payloads)).authenticate().expect_echo()


def any_order(lab):
    peer = lab.peer()
    peer.init_request()
    peer.begin(peer.init_request(peer.init_payloads()[::-1])).authenticate().expect_echo()


def encrypted(lab):
    """Nothing can be encrypted before there are keys."""
    peer = lab.peer()
    for kind in (codec.SK, codec.SKF):
        refused_or_ignored(lab, peer, peer.init_request([Payload(kind, os.urandom(100))]))
        refused_or_ignored(lab, peer, peer.init_request(
            [*peer.init_payloads(), Payload(kind, os.urandom(100))]))
    still_begins(peer)


def without(lab, position):
    peer = lab.peer()
    peer.init_request()
    payloads = peer.init_payloads()
    del payloads[position]
    refused_or_ignored(lab, peer, peer.init_request(payloads))
    still_begins(peer)


def twice(lab, position):
    peer = lab.peer()
    peer.init_request()
    payloads = peer.init_payloads()
    payloads.insert(position, payloads[position])
    refused_or_ignored(lab, peer, peer.init_request(payloads))
    still_begins(peer)


# Nonces


def nonce_wrong(lab, length):
    peer = lab.peer()
    peer.nonce_i = os.urandom(length) or None
    request = peer.init_request()
    if not length:
        payloads = peer.init_payloads()
        payloads[2] = codec.nonce(b"")
        request = peer.init_request(payloads)
    refused_or_ignored(lab, peer, request)
    peer.nonce_i = None
    still_begins(peer)


def nonce_right(lab, length):
    peer = lab.peer()
    peer.nonce_i = os.urandom(length)
    peer.begin().authenticate().expect_echo()


# Proposals


def with_proposals(peer, body):
    peer.init_request()
    payloads = peer.init_payloads()
    payloads[0] = Payload(codec.SA, body)
    return peer.init_request(payloads)


def sa_wrong(lab, make):
    peer = lab.peer()
    refused_or_ignored(lab, peer, with_proposals(peer, make()),
                       (INVALID_SYNTAX, NO_PROPOSAL_CHOSEN))
    still_begins(peer)


def numbered(transforms, count):
    return b"".join(codec.proposal(transforms, number=number % 256, more=number < count)
                    for number in range(1, count + 1))


def thousand_proposals(lab):
    """Refused or dropped, at no cost worth speaking of."""
    peer = lab.peer()
    before = lab.processor_seconds()
    for transforms in ([(ENCR, 2), (PRF, 1), (DH, 1)], GOOD):
        refused_or_ignored(lab, peer, with_proposals(peer, numbered(transforms, 1000)),
                           (INVALID_SYNTAX, NO_PROPOSAL_CHOSEN))
    expect(lab.processor_seconds() - before < 0.5, "it took half a second of the processor")
    still_begins(peer)


def many_transforms(lab):
    peer = lab.peer()
    transforms = [(ENCR, 1000 + number, 256) for number in range(252)] + GOOD
    refused_or_ignored(lab, peer, with_proposals(peer, codec.proposal(transforms)),
                       (INVALID_SYNTAX, NO_PROPOSAL_CHOSEN))
    still_begins(peer)


def last_of_forty(lab):
    """An offer is long in good faith: what fits is found at its end."""
    peer = lab.peer()
    body = b"".join(codec.proposal([(ENCR, 2), (PRF, 1), (DH, 1)], number=number, more=True)
                    for number in range(1, 40)) + codec.proposal(GOOD, number=40)
    peer.begin(with_proposals(peer, body))
    answer = codec.one(codec.read_chain(codec.SA, peer.init_messages[1][28:]), codec.SA)
    expect(answer.body[4] == 40, f"proposal {answer.body[4]} was chosen")
    peer.authenticate().expect_echo()


def unacceptable_case(lab, proposals):
    peer = lab.peer()
    for transforms in proposals:
        refused_or_ignored(lab, peer, with_proposals(peer, codec.proposal(transforms)),
                           (NO_PROPOSAL_CHOSEN, INVALID_SYNTAX))
    still_begins(peer)


def unknown_beside(lab):
    """The algorithm that is unknown is passed over; the rest of its proposal stands."""
    peer = lab.peer()
    body = codec.proposal([(ENCR, 1500, 256), *GOOD, (PRF, 1500), (DH, 1500)])
    peer.begin(with_proposals(peer, body)).authenticate().expect_echo()


def esp_offered(lab):
    peer = lab.peer()
    body = codec.proposal([(ENCR, 20, 256), (ESN, 0)], protocol=PROTOCOL_ESP, spi=b"\1\2\3\4")
    refused_or_ignored(lab, peer, with_proposals(peer, body),
                       (NO_PROPOSAL_CHOSEN, INVALID_SYNTAX))
    still_begins(peer)


# Public values


def with_value(peer, group, value):
    peer.init_request()
    payloads = peer.init_payloads()
    payloads[1] = codec.ke(group, value)
    return peer.init_request(payloads)


def other_group(lab):
    """The group that the gateway wants is named, and nothing is kept."""
    peer = lab.peer()
    peer.init_request()
    payloads = peer.init_payloads()
    payloads[0] = codec.sa(codec.proposal([*GOOD, (DH, 19)]))
    payloads[1] = codec.ke(19, ECP256().public)
    refused_in_clear(peer, peer.init_request(payloads), INVALID_KE_PAYLOAD, b"\x00\x1f")
    still_begins(peer)


def other_group_often(lab):
    """However often: the same answer, no state, no memory."""
    peer = lab.peer()
    peer.init_request()
    payloads = peer.init_payloads()
    payloads[0] = codec.sa(codec.proposal([*GOOD, (DH, 19)]))
    for _ in range(500):
        peer.spi_i = os.urandom(8)
        payloads[1] = codec.ke(19, os.urandom(64))
        answer = peer.ask(peer.init_request(payloads))
        expect(answer and clear_notify(answer) == (INVALID_KE_PAYLOAD, b"\x00\x1f"),
               "another answer")
        expect(codec.read_header(answer).responder == bytes(8), "an SPI was spent on it")
    still_begins(peer)


def group_not_offered(lab):
    """The group of KE is one of the proposal's, or the wanted one is named."""
    peer = lab.peer()
    refused_or_ignored(lab, peer, with_value(peer, 19, ECP256().public),
                       (INVALID_KE_PAYLOAD, INVALID_SYNTAX, NO_PROPOSAL_CHOSEN))
    still_begins(peer)


def x25519_value(lab, values):
    peer = lab.peer()
    for value in values:
        refused_or_ignored(lab, peer, with_value(peer, 31, value))
    still_begins(peer)


def modp_value(lab, value):
    peer = lab.peer(exchange=MODP)
    refused_or_ignored(lab, peer, with_value(peer, 14, value))
    still_begins(peer)


def ecp_value(lab, value):
    peer = lab.peer(cipher=CBC, exchange=ECP256)
    refused_or_ignored(lab, peer, with_value(peer, 19, value))
    still_begins(peer)
