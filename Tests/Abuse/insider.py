"""An authenticated peer that turns on the gateway: everything it says is authentic, and wrong."""

import os
import struct

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    AUTHENTICATION_FAILED, CHILD_SA_NOT_FOUND, CP, CREATE_CHILD_SA, EAP, INFORMATIONAL,
    INVALID_KE_PAYLOAD, INVALID_SPI, INVALID_SYNTAX, NO_ADDITIONAL_SAS, NO_PROPOSAL_CHOSEN,
    PROTOCOL_ESP, PROTOCOL_IKE, REKEY_SA, SA, SET_WINDOW_SIZE, TS_UNACCEPTABLE, TSI,
    TSR, Payload)
from Tests.Abuse.judging import ignored, refused
from Tests.Abuse.peer import GATEWAY_NETWORK
from Tests.Lab.processes import expect

UPDATE_SA_ADDRESSES = 16400
# As many children as one peer may try to have.
CHILDREN = 300


def register(add):
    register_messages(add)
    register_children(add)


def register_messages(add):
    add("inside/number-ahead", "RFC 7296 §2.3", number_ahead)
    add("inside/number-of-long-ago", "RFC 7296 §2.1, §2.3", number_of_long_ago)
    add("inside/window-out-of-order", "RFC 7296 §2.3", out_of_order)
    add("inside/window-full-and-more", "RFC 7296 §2.3", window_full)
    add("inside/window-full-of-rekeys-of-one-child", "RFC 7296 §2.3, §2.25.1", full_of_rekeys)
    add("inside/window-behind-a-delete", "RFC 7296 §2.3, §1.4.1", behind_a_delete)
    add("inside/request-repeated", "RFC 7296 §2.1", request_repeated)
    add("inside/numbers-begin-anew", "RFC 7296 §2.2", numbers_anew)
    add("inside/unasked-answers", "RFC 7296 §2.1", unasked_answers)
    add("inside/exchange-types", "RFC 7296 §3.1, §2.21.3", exchange_types)
    add("inside/beginning-within", "RFC 7296 §1.2, §2.21.3", beginning_within)
    add("inside/sixty-errors", "RFC 7296 §2.21, §3.10", sixty_errors)
    add("inside/unknown-notifies", "RFC 7296 §3.10.1", unknown_notifies)
    add("inside/notify-spi-longer-than-the-payload", "RFC 7296 §3.10, §2.21.3", malformed,
        payload=codec.notify(INVALID_SPI, protocol=3, spi=b"\1\2\3\4", spi_size=200))
    add("inside/notify-cut", "RFC 7296 §3.10, §2.21.3", malformed,
        payload=Payload(codec.NOTIFY, b"\0\0\x40"))
    add("inside/notify-spi-sizes", "RFC 7296 §3.10", notify_spi_sizes)
    add("inside/invalid-spi-of-a-child", "RFC 7296 §1.5, §2.21.4", complaint)
    add("inside/window-sizes", "RFC 7296 §2.3", window_sizes)
    add("inside/authentication-failed", "RFC 7296 §2.21.2", authentication_failed)
    add("inside/addresses-update-without-mobike", "RFC 4555 §3.5", mobike)
    add("inside/configuration-requests", "RFC 7296 §3.15", configuration)
    add("inside/eap-from-nowhere", "RFC 7296 §2.16", uninvited, kind=EAP,
        body=b"\1\1\0\4")
    add("inside/certificates", "RFC 7296 §3.6, §3.7", uninvited, kind=codec.CERT,
        body=b"\4" + bytes(3000))


def register_children(add):
    add("child/without-sa", "RFC 7296 §1.3.1, §2.21.3", child_without, left_out=0)
    add("child/without-nonce", "RFC 7296 §1.3.1, §2.21.3", child_without, left_out=1)
    add("child/without-tsi", "RFC 7296 §1.3.1, §2.21.3", child_without, left_out=2)
    add("child/without-tsr", "RFC 7296 §1.3.1, §2.21.3", child_without, left_out=3)
    selector = codec.network("10.1.0.0/16")
    for name, payload in {
        "none": codec.selectors(TSR), "count-low": codec.selectors(TSR, selector, selector, count=1),
        "count-high": codec.selectors(TSR, selector, count=9),
        "length-short": codec.selectors(TSR, selector[:2] + b"\0\x0f" + selector[4:]),
        "length-long": codec.selectors(TSR, selector[:2] + b"\xff\xff" + selector[4:]),
        "length-zero": codec.selectors(TSR, selector[:2] + b"\0\0" + selector[4:]),
        "cut": codec.selectors(TSR, selector[:9]),
    }.items():
        add(f"child/selectors-{name}", "RFC 7296 §3.13, §2.21.3", bad_selectors, payload=payload)
    add("child/selectors-backwards", "RFC 7296 §3.13.1", refused_selectors,
        entries=[codec.selector("10.1.255.255", "10.1.0.0")])
    add("child/selectors-ports-backwards", "RFC 7296 §3.13.1", refused_selectors,
        entries=[codec.selector("10.1.0.0", "10.1.255.255", 6, (443, 80))])
    add("child/selectors-of-unknown-type", "RFC 7296 §3.13.1, §2.9", refused_selectors,
        entries=[struct.pack("!BBH", 99, 0, 16) + bytes(12)])
    add("child/selectors-outside-the-policy", "RFC 7296 §2.9", refused_selectors,
        entries=[codec.network("192.168.0.0/16"), codec.network("10.2.3.0/24")])
    add("child/selectors-of-everything", "RFC 7296 §2.9", everything)
    add("child/selectors-of-another-peer", "RFC 7296 §2.9, RFC 4301 §4.4.1", selectors_of_another)
    add("child/two-hundred-and-fifty-five-selectors", "RFC 7296 §2.9", many_selectors)
    add("child/spi-sizes", "RFC 7296 §3.3.1, §2.21.3", spi_sizes)
    add("child/spi-reserved", "RFC 4303 §2.1", spi_reserved)
    add("child/no-acceptable-proposal", "RFC 7296 §1.3.1, §2.21.3", no_proposal)
    add("child/key-exchange-not-offered", "RFC 7296 §1.3.1", key_exchange)
    add("child/nonce-of-eight-octets", "RFC 7296 §3.9, §2.21.3", short_nonce)
    add("child/hundreds-of-them", "RFC 7296 §1.3, §4", hundreds)
    add("child/rekey-of-nothing", "RFC 7296 §2.25.1, §1.3.3", rekey_of, spi=b"\x0a\x0b\x0c\x0d")
    add("child/rekey-of-another-peer", "RFC 7296 §2.25.1, §1.3.3", rekey_of, spi=None)
    add("child/rekey-spi-sizes", "RFC 7296 §1.3.3, §2.21.3", rekey_spi_sizes)
    add("child/rekeyed-twice", "RFC 7296 §2.8, §2.25.1", rekeyed_twice)
    add("ike/rekey-spi-sizes", "RFC 7296 §1.3.2, §3.3.1, §2.21.3", ike_rekey_spi_sizes)
    add("ike/rekey-spi-zero", "RFC 7296 §3.1, §1.3.2", ike_rekey_spi_zero)
    add("ike/rekey-without-ke", "RFC 7296 §1.3.2", ike_rekey_without_ke)
    add("ike/rekey-zero-public-value", "RFC 8031 §4", ike_rekey_zero_value)
    add("ike/rekey-hundreds-of-times", "RFC 7296 §2.8", ike_rekey_often)


# Messages


def malformed(lab, payload):
    """Authentic and malformed: INVALID_SYNTAX, and the IKE SA is gone."""
    peer = lab.insider()
    refused(peer, INFORMATIONAL, [payload], INVALID_SYNTAX)
    peer.expect_dead()


def number_ahead(lab):
    """What is ahead of the window is not heard."""
    peer = lab.insider()
    ignored(lab, peer, *(peer.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)],
                                   message_id=peer.next_id + peer.window + ahead)
                         for ahead in (0, 1, 100, 0x7FFFFF00)))
    peer.expect_alive()
    peer.expect_echo()


def number_of_long_ago(lab):
    """Requests that the window has left behind are answered by nothing."""
    peer = lab.insider()
    requests = []
    for _ in range(peer.window + 4):
        peer.inform()
        requests.append(peer.last_request)
    ignored(lab, peer, *requests[:4])
    expect(peer.ask(requests[-1]) == peer.last_answer, "the last one is answered as before")
    peer.expect_alive()


def answers_of(peer, requests, seconds=0.3):
    """Sends requests all at once; the answers by message ID."""
    for request in requests:
        peer.send(request)
    found = {}
    for data in peer.arrivals(seconds):
        read = codec.read_header(data)
        if read.is_response:
            expect(read.message_id not in found or found[read.message_id] == data,
                   f"two answers to request {read.message_id}")
            found[read.message_id] = data
    return found


def out_of_order(lab):
    """Within the window every order is right; each request has its own answer."""
    peer = lab.insider()
    first = peer.next_id
    requests = [peer.seal(INFORMATIONAL, [], message_id=first + number)
                for number in range(peer.window)]
    found = answers_of(peer, requests[::-1])
    expect(sorted(found) == list(range(first, first + peer.window)), f"answers to {sorted(found)}")
    again = answers_of(peer, requests)
    expect(again == found, "a repeated request had another answer")
    peer.next_id += peer.window
    peer.expect_alive()
    peer.expect_echo()


def window_full(lab):
    """As many as the window holds without the first of them: what is beyond is not heard, and once
    the first has come everything goes on."""
    peer = lab.insider()
    first = peer.next_id
    requests = [peer.seal(INFORMATIONAL, [], message_id=first + number)
                for number in range(peer.window + 3)]
    found = answers_of(peer, requests[1:])
    expect(sorted(found) == list(range(first + 1, first + peer.window)),
           f"answers to {sorted(found)} of a window of {peer.window} from {first}")
    found = answers_of(peer, requests)
    expect(sorted(found) == list(range(first, first + peer.window + 3)),
           f"answers to {sorted(found)} in the end")
    peer.next_id = first + peer.window + 3
    peer.expect_alive()
    peer.expect_echo()


def full_of_rekeys(lab):
    """A window full of rekeys of one child: one of them replaces it, the others are refused."""
    peer = lab.insider()
    named = codec.notify(REKEY_SA, protocol=PROTOCOL_ESP, spi=peer.children[-1].inbound_spi)
    requests = [peer.seal(CREATE_CHILD_SA, [named, *child_request(peer)],
                          message_id=peer.next_id + number) for number in range(peer.window)]
    found = answers_of(peer, requests)
    expect(len(found) == peer.window, f"{len(found)} answers of {peer.window}")
    opened = [peer.open(data) for data in found.values()]
    made = [payloads for payloads in opened if SA in [payload.kind for payload in payloads]]
    expect(len(made) == 1, f"{len(made)} children in place of one")
    peer.next_id += peer.window
    peer.expect_alive()


def behind_a_delete(lab):
    """What follows the Delete of the IKE SA in the window creates nothing any more."""
    peer = lab.insider()
    requests = [peer.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)], message_id=peer.next_id)]
    requests += [peer.seal(CREATE_CHILD_SA, child_request(peer), message_id=peer.next_id + number)
                 for number in range(1, max(2, peer.window))]
    answers_of(peer, requests)
    connection = lab.connection(peer)
    expect(not connection.get("ikeSA"), "the IKE SA is left")
    expect(not connection["tunnels"][0]["securityAssociations"], "children are left")


def request_repeated(lab):
    """A CREATE_CHILD_SA sent ten times makes one child, and has one answer."""
    peer = lab.insider()
    peer.create_child()
    for _ in range(10):
        expect(peer.ask(peer.last_request) == peer.last_answer, "another answer, or none")
    children = lab.connection(peer)["tunnels"][0]["securityAssociations"]
    expect(len(children) <= 2, f"{len(children)} children")
    peer.expect_echo()


def numbers_anew(lab):
    peer = lab.insider()
    ignored(lab, peer, *(peer.seal(INFORMATIONAL, [codec.delete(PROTOCOL_IKE)], message_id=number)
                         for number in (0, 1)))
    peer.expect_alive()


def unasked_answers(lab):
    """Answers to what the gateway never asked."""
    peer = lab.insider()
    for number in (0, 1, 2, 0xFFFFFFFF):
        for exchange, payloads in (
                (INFORMATIONAL, [codec.delete(PROTOCOL_IKE)]),
                (CREATE_CHILD_SA, peer.child_payloads(b"\1\2\3\4")),
                (codec.IKE_AUTH, [codec.notify(AUTHENTICATION_FAILED)])):
            peer.send(peer.seal(exchange, payloads, message_id=number, is_response=True))
    peer.silence()
    peer.expect_alive()
    peer.expect_echo()


def exchange_types(lab):
    """An exchange that does not exist is answered by an error, for the peer is authentic."""
    for exchange in (0, 33, 46, 200, 255):
        peer = lab.insider()
        found = peer.exchange_of(exchange, [codec.notify(codec.INITIAL_CONTACT)])
        expect(codec.notifies(found) == [INVALID_SYNTAX], f"answered by {codec.notifies(found)}")


def beginning_within(lab):
    """IKE_SA_INIT under the protection of an IKE SA is no beginning."""
    peer = lab.insider()
    request = peer.seal(codec.IKE_SA_INIT, peer.init_payloads())
    peer.send(request)
    lab.settle()
    for answer in peer.arrivals(0.05):
        outer = codec.read_chain(codec.read_header(answer).first, answer[28:])
        expect(SA not in [payload.kind for payload in outer], "it began")
    peer.expect_alive()


def sixty_errors(lab):
    """Errors in an INFORMATIONAL change nothing (but AUTHENTICATION_FAILED, which is another case)."""
    peer = lab.insider()
    errors = [codec.notify(kind, os.urandom(10)) for kind in range(1, 48)
              if kind != AUTHENTICATION_FAILED]
    expect(peer.inform(*errors) == [], "errors were answered by something")
    peer.expect_alive()
    peer.expect_echo()


def unknown_notifies(lab):
    peer = lab.insider()
    expect(peer.inform(codec.notify(8191, b"?"), codec.notify(16383), codec.notify(40959, b"x" * 500),
                       codec.notify(65535, protocol=200)) == [], "not answered as usual")
    peer.expect_echo()


def notify_spi_sizes(lab):
    """SPIs of any length in a notify: nothing is looked up by what is no SPI."""
    peer = lab.insider()
    for octets in (1, 2, 3, 5, 8, 16, 255):
        expect(peer.inform(codec.notify(INVALID_SPI, protocol=PROTOCOL_ESP,
                                        spi=os.urandom(octets))) == [], "not answered as usual")
    peer.expect_echo()


def complaint(lab):
    """A child that the peer says it has not is replaced in an exchange, not dropped; said of every
    successor as well, it does not make the gateway rekey without end."""
    peer = lab.insider()
    lost = peer.children[-1]
    expect(peer.inform(codec.notify(INVALID_SPI, lost.inbound_spi)) == [], "not answered as usual")
    read, payloads = peer.await_request()
    rekeyed = [payload.notify for payload in payloads
               if payload.kind == codec.NOTIFY and payload.notify[0] == codec.REKEY_SA]
    expect(read.exchange == CREATE_CHILD_SA and [of[2] for of in rekeyed] == [lost.outbound_spi],
           f"the gateway rekeys {rekeyed}")
    peer.answer(read, [codec.notify(codec.CHILD_SA_NOT_FOUND)])
    read, _ = peer.await_request()
    expect(read.exchange == CREATE_CHILD_SA, "no other child is asked for")
    peer.answer(read, [codec.notify(NO_ADDITIONAL_SAS)])
    for _ in range(20):
        expect(peer.inform(codec.notify(INVALID_SPI, lost.inbound_spi)) == [], "not answered")
    peer.expect_alive()


def window_sizes(lab):
    """A window of the peer's is never ours to use beyond reason, and nonsense is passed over."""
    peer = lab.insider()
    for data in (b"", b"\0", bytes(4), b"\xff" * 4, bytes(40)):
        expect(peer.inform(codec.notify(SET_WINDOW_SIZE, data)) == [], "not answered as usual")
    peer.expect_alive()


def authentication_failed(lab):
    """It ends the peer's own IKE SA and no other."""
    victim, peer = lab.victim(), lab.insider()
    expect(peer.inform(codec.notify(AUTHENTICATION_FAILED)) == [], "not answered by nothing")
    victim.expect_alive()
    victim.expect_echo()


def mobike(lab):
    """Where MOBIKE was not agreed on, nothing moves."""
    peer = lab.insider()
    remote = lab.connection(peer)["ikeSA"]["remoteEndpoint"]
    peer.inform(codec.notify(UPDATE_SA_ADDRESSES))
    expect(lab.connection(peer)["ikeSA"]["remoteEndpoint"] == remote, "the path changed")
    peer.expect_echo()


def configuration(lab):
    """Requests, answers and nonsense in configuration payloads where there is nothing to give."""
    peer = lab.insider()
    for body in (b"\1\0\0\0\0\1\0\0", b"\2\0\0\0\0\1\0\4\x0a\0\0\1", b"\3\0\0\0\0\1\0\4\x0a\0\0\1",
                 b"\x63\0\0\0" + b"\x7f\xff\0\0" * 200):
        peer.inform(Payload(CP, body))
        peer.expect_alive()
    peer.expect_echo()


def uninvited(lab, kind, body):
    peer = lab.insider()
    expect(peer.inform(Payload(kind, body)) == [], "not answered as usual")
    peer.expect_echo()


# Children


def child_request(peer, **changes):
    child = peer.child_payloads(changes.get("spi", os.urandom(3) + b"\x50"), changes.get("tsi"),
                                changes.get("tsr"))
    return [changes.get("sa", child[0]), changes.get("nonce", codec.nonce(os.urandom(32))),
            *child[1:]]


def one_error(peer, payloads, kinds):
    """The request is answered by one notify of `kinds`; where it is not fatal the IKE SA lives."""
    found = peer.exchange_of(CREATE_CHILD_SA, payloads)
    kind = codec.notifies(found)
    expect(len(found) == 1 and len(kind) == 1 and kind[0] in kinds,
           f"answered by {[payload.kind for payload in found]}, notifies {kind}")
    if kind[0] != INVALID_SYNTAX:
        peer.expect_alive()
        peer.expect_echo()
    children = peer.lab.connection(peer)["tunnels"][0]["securityAssociations"]
    expect(len(children) <= 1, f"{len(children)} children")


def child_without(lab, left_out):
    peer = lab.insider()
    payloads = child_request(peer)
    del payloads[left_out]
    one_error(peer, payloads, (INVALID_SYNTAX, TS_UNACCEPTABLE))


def bad_selectors(lab, payload):
    peer = lab.insider()
    one_error(peer, child_request(peer, tsr=payload), (INVALID_SYNTAX,))


def refused_selectors(lab, entries):
    peer = lab.insider()
    one_error(peer, child_request(peer, tsr=codec.selectors(TSR, *entries)),
              (TS_UNACCEPTABLE, INVALID_SYNTAX))


def as_number(text):
    return struct.unpack("!I", bytes(map(int, text.split("."))))[0]


def expect_within(payload, network):
    base, length = network.split("/")
    first = as_number(base)
    last = first | (1 << 32 - int(length)) - 1
    for _, _, lower, upper in codec.read_selectors(payload):
        expect(first <= as_number(lower) <= as_number(upper) <= last,
               f"{lower} to {upper} is wider than {network}")


def everything(lab):
    """Whoever asks for everything gets what the policy has, and not an address more."""
    peer = lab.insider()
    wide = codec.network("0.0.0.0/0")
    found = peer.create_child(child=[
        codec.sa(peer.esp_proposal(b"\1\2\3\4")), codec.selectors(TSI, wide),
        codec.selectors(TSR, wide)])
    expect_within(codec.one(found, TSI), peer.inner_network)
    expect_within(codec.one(found, TSR), GATEWAY_NETWORK)


def selectors_of_another(lab):
    """The network of another peer is nobody else's to ask for."""
    victim, peer = lab.victim(), lab.insider()
    one_error(peer, child_request(peer, tsi=codec.selectors(
        TSI, codec.network(victim.inner_network))), (TS_UNACCEPTABLE,))
    victim.expect_echo()


def many_selectors(lab):
    peer = lab.insider()
    entries = [codec.selector(f"10.1.{number}.0", f"10.1.{number}.255") for number in range(255)]
    payloads = child_request(peer, tsr=codec.selectors(TSR, *entries))
    found = peer.exchange_of(CREATE_CHILD_SA, payloads)
    if TSR in [payload.kind for payload in found]:
        expect_within(codec.one(found, TSR), GATEWAY_NETWORK)
    else:
        expect(len(codec.notifies(found)) == 1, "neither a child nor an error")
    peer.expect_alive()


def spi_sizes(lab):
    for octets in (0, 1, 3, 5, 8, 64):
        peer = lab.insider()
        one_error(peer, child_request(peer, sa=codec.sa(peer.esp_proposal(os.urandom(octets)))),
                  (INVALID_SYNTAX, NO_PROPOSAL_CHOSEN))


def spi_reserved(lab):
    """Zero and 1 to 255 name no SA."""
    for spi in (0, 1, 255):
        peer = lab.insider()
        one_error(peer, child_request(peer, spi=spi.to_bytes(4, "big")),
                  (INVALID_SYNTAX, NO_PROPOSAL_CHOSEN, INVALID_SPI))


def no_proposal(lab):
    peer = lab.insider()
    weak = codec.proposal([(codec.ENCR, 11), (codec.INTEG, 2), (codec.ESN, 0)],
                          protocol=PROTOCOL_ESP, spi=b"\1\2\3\4")
    one_error(peer, child_request(peer, sa=codec.sa(weak)), (NO_PROPOSAL_CHOSEN,))


def key_exchange(lab):
    """A public value of a group that no proposal has."""
    peer = lab.insider()
    payloads = [*child_request(peer), codec.ke(14, os.urandom(256))]
    found = peer.exchange_of(CREATE_CHILD_SA, payloads)
    expect(codec.KE not in [payload.kind for payload in found], "a key exchange was made up")
    peer.expect_alive()


def short_nonce(lab):
    peer = lab.insider()
    one_error(peer, child_request(peer, nonce=codec.nonce(b"12345678")), (INVALID_SYNTAX,))


def hundreds(lab):
    """There is an end to the children of one peer, and it is told (NO_ADDITIONAL_SAS)."""
    peer = lab.insider()
    last = []
    for _ in range(CHILDREN):
        last = codec.notifies(peer.exchange_of(CREATE_CHILD_SA, child_request(peer)))
        if last:
            break
    expect(last == [NO_ADDITIONAL_SAS], f"{CHILDREN} children, then {last}")
    peer.expect_alive()
    peer.inform(codec.delete(PROTOCOL_IKE))
    expect(not lab.connection(peer)["tunnels"][0]["securityAssociations"], "children are left")


def rekey_of(lab, spi):
    """CHILD_SA_NOT_FOUND, with the SPI that was asked for."""
    peer = lab.insider()
    spi = spi or lab.honest.children[-1].inbound_spi
    named = codec.notify(REKEY_SA, protocol=PROTOCOL_ESP, spi=spi)
    found = peer.exchange_of(CREATE_CHILD_SA, [named, *child_request(peer)])
    expect(len(found) == 1 and found[0].notify[:3] == (CHILD_SA_NOT_FOUND, PROTOCOL_ESP, spi),
           f"answered by {found}")
    peer.expect_alive()
    peer.expect_echo()


def rekey_spi_sizes(lab):
    for octets in (0, 3, 8, 255):
        peer = lab.insider()
        named = codec.notify(REKEY_SA, protocol=PROTOCOL_ESP, spi=os.urandom(octets))
        one_error(peer, [named, *child_request(peer)],
                  (INVALID_SYNTAX, CHILD_SA_NOT_FOUND))


def rekeyed_twice(lab):
    """What has been replaced is not replaced again; both new children would carry the same."""
    peer = lab.insider()
    old = peer.children[-1]
    expect(SA in [payload.kind for payload in peer.rekey_child()], "the first rekey was refused")
    named = codec.notify(REKEY_SA, protocol=PROTOCOL_ESP, spi=old.inbound_spi)
    found = peer.exchange_of(CREATE_CHILD_SA, [named, *child_request(peer)])
    expect(codec.notifies(found) in ([CHILD_SA_NOT_FOUND], [codec.TEMPORARY_FAILURE]),
           f"answered by {[payload.kind for payload in found]}, {codec.notifies(found)}")
    peer.expect_alive()
    peer.expect_echo()


def ike_rekey(peer, spi=None, value=None, leave_out=None):
    pair = peer.exchange()
    payloads = [codec.sa(peer.ike_proposal(spi=os.urandom(8) if spi is None else spi)),
                codec.nonce(os.urandom(32)),
                codec.ke(peer.exchange.group, value or pair.public)]
    if leave_out is not None:
        del payloads[leave_out]
    return payloads


def ike_rekey_spi_sizes(lab):
    for octets in (0, 4, 7, 9, 64):
        peer = lab.insider()
        found = peer.exchange_of(CREATE_CHILD_SA, ike_rekey(peer, spi=os.urandom(octets)))
        expect(codec.notifies(found) in ([INVALID_SYNTAX], [NO_PROPOSAL_CHOSEN]),
               f"{octets} octets: answered by {codec.notifies(found)}")


def ike_rekey_spi_zero(lab):
    peer = lab.insider()
    found = peer.exchange_of(CREATE_CHILD_SA, ike_rekey(peer, spi=bytes(8)))
    expect(codec.notifies(found) in ([INVALID_SYNTAX], [NO_PROPOSAL_CHOSEN]),
           f"answered by {[payload.kind for payload in found]}, {codec.notifies(found)}")


def ike_rekey_without_ke(lab):
    peer = lab.insider()
    found = peer.exchange_of(CREATE_CHILD_SA, ike_rekey(peer, leave_out=2))
    expect(codec.notifies(found) in ([INVALID_SYNTAX], [INVALID_KE_PAYLOAD]),
           f"answered by {codec.notifies(found)}")


def ike_rekey_zero_value(lab):
    peer = lab.insider()
    found = peer.exchange_of(CREATE_CHILD_SA, ike_rekey(peer, value=bytes(32)))
    expect(codec.notifies(found) in ([INVALID_SYNTAX], [NO_PROPOSAL_CHOSEN]),
           f"answered by {codec.notifies(found)}")


def ike_rekey_often(lab):
    """A hundred and fifty times in a row: the tunnel lives on in the last one."""
    peer = lab.insider()
    for _ in range(150):
        peer.rekey_ike()
    peer.expect_alive()
    peer.expect_echo()
