"""Deletes by an authenticated peer: of what it has not, of what is not its own, and malformed ones."""

from Tests.Abuse import codec
from Tests.Abuse.codec import INVALID_SYNTAX, PROTOCOL_AH, PROTOCOL_ESP, PROTOCOL_IKE, Payload
from Tests.Abuse.insider import malformed
from Tests.Lab.processes import expect


def register(add):
    add("delete/of-nothing", "RFC 7296 §1.4.1", delete_nothing)
    add("delete/of-another-peer", "RFC 7296 §1.4.1", delete_of_another)
    add("delete/by-the-gateways-spi", "RFC 7296 §1.4.1", delete_by_our_spi)
    for name, payload in {
        "spi-size-three": codec.delete(PROTOCOL_ESP, [b"\1\2\3"], size=3),
        "spi-size-eight": codec.delete(PROTOCOL_ESP, [b"\1" * 8], size=8),
        "spi-size-zero": codec.delete(PROTOCOL_ESP, size=0, count=1000),
        "count-beyond": codec.delete(PROTOCOL_ESP, [b"\1\2\3\4"], count=60_000),
        "count-short": codec.delete(PROTOCOL_ESP, [b"\1\2\3\4"] * 3, count=1),
        "ike-with-spi": codec.delete(PROTOCOL_IKE, [b"\1" * 8], size=8),
        "cut": Payload(codec.DELETE, b"\3\4\0"),
    }.items():
        add(f"delete/{name}", "RFC 7296 §3.11, §2.21.3", malformed, payload=payload)
    add("delete/a-thousand", "RFC 7296 §1.4.1, §3.11", delete_thousand)
    add("delete/protocols", "RFC 7296 §3.11", delete_protocols)
    add("delete/of-all-at-once", "RFC 7296 §1.4.1", delete_all)
    add("delete/repeated", "RFC 7296 §2.1, §1.4.1", delete_repeated)


def delete_nothing(lab):
    peer = lab.insider()
    expect(peer.inform(codec.delete(PROTOCOL_ESP, [b"\x11\x22\x33\x44"])) == [],
           "a Delete of nothing was answered by something")
    peer.expect_echo()


def delete_of_another(lab):
    victim, peer = lab.victim(), lab.insider()
    spis = [victim.children[-1].inbound_spi, victim.children[-1].outbound_spi,
            lab.honest.children[-1].inbound_spi, lab.honest.children[-1].outbound_spi]
    expect(peer.inform(codec.delete(PROTOCOL_ESP, spis)) == [], "something was deleted")
    victim.expect_echo()
    peer.expect_echo()


def delete_by_our_spi(lab):
    """A Delete names the sender's inbound SPI; by the gateway's own it names nothing."""
    peer = lab.insider()
    expect(peer.inform(codec.delete(PROTOCOL_ESP, [peer.children[-1].outbound_spi])) == [],
           "something was deleted")
    peer.expect_echo()


def delete_thousand(lab):
    peer = lab.insider()
    spis = [number.to_bytes(4, "big") for number in range(1000, 2000)]
    expect(peer.inform(codec.delete(PROTOCOL_ESP, spis)) == [], "something was deleted")
    peer.expect_echo()


def delete_protocols(lab):
    """AH where there is none, and protocols that do not exist."""
    peer = lab.insider()
    own = peer.children[-1].inbound_spi
    expect(peer.inform(codec.delete(PROTOCOL_AH, [own])) == [], "an ESP SA was deleted as AH")
    for protocol in (0, 4, 200):
        found = peer.inform(codec.delete(protocol, [own]))
        if codec.notifies(found) == [INVALID_SYNTAX]:
            return
        expect(found == [], f"answered by {found}")
    peer.expect_echo()


def delete_all(lab):
    """IKE SA and child in one message: answered by nothing, and all is gone."""
    peer = lab.insider()
    expect(peer.inform(codec.delete(PROTOCOL_ESP, [peer.children[-1].inbound_spi]),
                       codec.delete(PROTOCOL_IKE), codec.delete(PROTOCOL_IKE)) == [],
           "answered by something")
    peer.expect_no_echo()
    expect(not lab.connection(peer).get("ikeSA"), "the IKE SA is left")


def delete_repeated(lab):
    """The answer to the Delete of an IKE SA may have been lost: it is given again."""
    peer = lab.insider()
    peer.inform(codec.delete(PROTOCOL_IKE))
    for _ in range(3):
        expect(peer.ask(peer.last_request) == peer.last_answer, "another answer, or none")
