"""The right answers to wrong messages."""

from Tests.Abuse import codec
from Tests.Abuse.codec import INVALID_SYNTAX, NOTIFY
from Tests.Lab.processes import expect

# The gateway limits its answers to what nobody vouches for (RFC 7296 §2.21.4), and other cases may
# have used them up: so many times, so many seconds apart, a request is repeated.
TRIES, WAIT = 4, 0.4


def clear_notify(answer):
    """(type, data) of the one notify that an unprotected refusal holds; a token by which the peer
    knows that the gateway has restarted (RFC 6290 §4.3) may stand beside it."""
    read = codec.read_header(answer)
    expect(read.length == len(answer) and read.version == 0x20, "the refusal itself is malformed")
    expect(read.flags & codec.RESPONSE, "the refusal is not marked as a response")
    payloads = codec.read_chain(read.first, answer[28:])
    payloads = [payload for payload in payloads
                if payload.kind != NOTIFY or payload.notify[0] != codec.QCD_TOKEN]
    expect([payload.kind for payload in payloads] == [NOTIFY],
           f"an unprotected refusal with payloads {[payload.kind for payload in payloads]}")
    kind, _, _, data = payloads[0].notify
    return kind, data


def refused_in_clear(peer, request, kind, data=None):
    """The request is answered by the notify alone; the answer copies SPI and message ID."""
    answer = peer.ask(request, WAIT, TRIES)
    expect(answer, "no answer")
    found, found_data = clear_notify(answer)
    expect(found == kind, f"answered by notify {found}, not {kind}")
    if data is not None:
        expect(found_data == data, f"the notify's data is {found_data.hex()}")
    asked, read = codec.read_header(request), codec.read_header(answer)
    expect(read.initiator == asked.initiator and read.message_id == asked.message_id,
           "the answer has other numbers than the request")


def ignored(lab, peer, *messages, nat=None):
    """Nothing comes back."""
    for message in messages:
        peer.send(message, nat)
    peer.silence(nat)


def refused_or_ignored(lab, peer, request, kinds=(INVALID_SYNTAX,)):
    """RFC 7296 §2.21.1 leaves it to the responder whether a request to begin that is wrong is
    answered; what must not be is an answer that goes on with it."""
    peer.send(request)
    lab.settle()
    for answer in peer.arrivals(0.05):
        found, _ = clear_notify(answer)
        expect(found in kinds, f"answered by notify {found}")


def still_begins(peer):
    """What came before left nothing behind: a right request of the same peer is answered rightly."""
    peer.begin().authenticate().expect_echo()


def refused(peer, exchange, payloads, kind, data=None, **options):
    """A protected request whose protected answer is the notify alone."""
    found = peer.exchange_of(exchange, payloads, **options)
    expect(codec.notifies(found) == [kind] and len(found) == 1,
           f"answered by {[payload.kind for payload in found]}, notifies {codec.notifies(found)}, "
           f"not by notify {kind}")
    if data is not None:
        expect(found[0].notify[3] == data, f"the notify's data is {found[0].notify[3].hex()}")
    return found[0]
