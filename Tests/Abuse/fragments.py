"""Messages in fragments (RFC 7383): in good order, and by somebody who cuts them otherwise."""

import os
import struct

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    FRAGMENTATION, IKE_AUTH, INFORMATIONAL, INITIATOR, INVALID_SYNTAX, PROTOCOL_IKE, SKF, VENDOR,
    Payload)
from Tests.Abuse.judging import still_begins
from Tests.Lab.processes import expect

STATUS = codec.notify(40_000, b"f" * 900)


def register(add):
    add("fragment/ike-auth-in-pieces", "RFC 7383 §2.5, §2.6", auth_in_pieces, order=None)
    add("fragment/backwards", "RFC 7383 §2.6", auth_in_pieces, order=-1)
    add("fragment/each-piece-three-times", "RFC 7383 §2.6", auth_in_pieces, order=3)
    add("fragment/one-piece-of-one", "RFC 7383 §2.5", one_of_one)
    add("fragment/never-complete", "RFC 7383 §2.6", never_complete)
    add("fragment/never-complete-before-authentication", "RFC 7383 §2.6", never_complete_before)
    add("fragment/never-complete-a-megabyte", "RFC 7383 §2.6, §5", megabyte)
    for name, number, total in (("number-zero", 0, 3), ("total-zero", 1, 0), ("both-zero", 0, 0),
                                ("number-above-total", 4, 3), ("number-largest", 65535, 2)):
        add(f"fragment/{name}", "RFC 7383 §2.6", wrong_numbers, number=number, total=total)
    add("fragment/total-largest", "RFC 7383 §2.6", total_largest)
    add("fragment/total-shrinks", "RFC 7383 §2.6", total_shrinks)
    add("fragment/total-grows", "RFC 7383 §2.6", total_grows)
    add("fragment/other-content-under-the-same-number", "RFC 7383 §2.6", other_content)
    add("fragment/forged-between", "RFC 7383 §2.6", forged_between)
    add("fragment/empty-pieces", "RFC 7383 §2.5", empty_pieces)
    add("fragment/shorter-than-its-fields", "RFC 7383 §2.5", too_short)
    add("fragment/together-too-large", "RFC 7383 §2.6", too_large)
    add("fragment/together-malformed", "RFC 7383 §2.6, RFC 7296 §2.21.3", malformed)
    add("fragment/two-messages-at-once", "RFC 7383 §2.6", two_messages)
    add("fragment/late-first-piece", "RFC 7383 §2.6.1", late_pieces)
    add("fragment/whole-after-a-piece", "RFC 7383 §2.6", whole_after_piece)
    add("fragment/clear-payloads-before", "RFC 7383 §2.5.3", clear_before)
    add("fragment/in-the-beginning", "RFC 7383 §2.3, RFC 7296 §1.2", in_the_beginning)


def begun(lab):
    """A peer with keys and with fragments agreed on."""
    peer = lab.peer()
    peer.begin(peer.init_request(extra=[codec.notify(FRAGMENTATION)]))
    answer = codec.read_chain(peer.init_messages[1][16], peer.init_messages[1][28:])
    expect(FRAGMENTATION in codec.notifies(answer), "the gateway does not take fragments")
    return peer


def insider(lab):
    return begun(lab).authenticate()


def piece(peer, exchange, kind, chunk, number, total, message_id=None, outer=()):
    """One fragment: the checksum covers its numbers too (RFC 7383 §2.5)."""
    padding = bytes(-(len(chunk) + 1) % peer.cipher.block)
    plaintext = chunk + padding + bytes([len(padding)])
    overhead = 8 + peer.cipher.iv_octets + peer.cipher.icv_octets
    first, clear = codec.chain(list(outer), last=SKF)
    _, head = codec.chain([Payload(SKF, b"", following=kind,
                                   length=overhead + len(plaintext))])
    aad = codec.header(
        peer.spi_i, peer.spi_r, exchange, INITIATOR,
        peer.next_id if message_id is None else message_id, first,
        28 + len(clear) + overhead + len(plaintext)) + clear + head
    aad += number.to_bytes(2, "big") + total.to_bytes(2, "big")
    return aad + peer.own_cipher.seal(aad, plaintext)


def pieces(peer, exchange, payloads, count, message_id=None):
    kind, inner = payloads if isinstance(payloads, tuple) else codec.chain(payloads)
    size = -(-len(inner) // count)
    return [piece(peer, exchange, kind if number == 0 else 0,
                  inner[number * size:(number + 1) * size], number + 1, count, message_id)
            for number in range(count)]


def answer_to(peer, exchange, number=None):
    """The payloads of the answer to a request that has been sent in pieces, or None. The answer may
    come in pieces too, for the gateway has seen how large they may be."""
    number = peer.next_id if number is None else number
    found = {}
    for data in peer.arrivals(0.5):
        read = codec.read_header(data)
        if not read.is_response or read.message_id != number or read.exchange != exchange:
            continue
        peer.last_answer = data
        if read.first != SKF:
            break
        place, total, kind, chunk = open_piece(peer, data)
        found[place] = kind, chunk
        if len(found) == total:
            break
    else:
        return None
    if number == peer.next_id:
        peer.next_id += 1
    if not found:
        return peer.without_window(peer.open(peer.last_answer))
    whole = b"".join(chunk for _, (_, chunk) in sorted(found.items()))
    return peer.without_window(codec.read_chain(found[1][0], whole))


def open_piece(peer, data):
    """(number, total, type of the first payload, content) of a fragment from the gateway."""
    following, _, length = struct.unpack("!BBH", data[28:32])
    number, total = struct.unpack("!HH", data[32:36])
    expect(28 + length == len(data) and 0 < number <= total, "a malformed fragment")
    expect(following == 0 or number == 1, "a type of payload in a fragment that is not the first")
    plaintext = peer.other_cipher.open(data[:36], data[36:])
    expect(plaintext is not None, "a fragment that is not authentic")
    return number, total, following, plaintext[:len(plaintext) - 1 - plaintext[-1]]


def unanswered(lab, peer, *messages):
    """Nothing comes back, and a whole message with the same number is heard afterwards."""
    for message in messages:
        peer.send(message)
    peer.silence()
    peer.expect_alive()
    peer.expect_echo()


def auth_in_pieces(lab, order):
    peer = begun(lab)
    sent = pieces(peer, IKE_AUTH, peer.auth_payloads(), 5)
    if order == -1:
        sent = sent[::-1]
    elif order == 3:
        sent = [message for message in sent[:-1] for _ in range(3)] + sent[-1:]
    for message in sent:
        peer.send(message)
    found = answer_to(peer, IKE_AUTH)
    expect(found, "no answer to IKE_AUTH in pieces")
    peer.verify(found, codec.IDR)
    peer.take_child(found, peer.spi_in)
    peer.expect_echo()


def one_of_one(lab):
    peer = insider(lab)
    peer.send(*pieces(peer, INFORMATIONAL, [STATUS], 1))
    expect(answer_to(peer, INFORMATIONAL) == [], "not answered as usual")


def never_complete(lab):
    peer = insider(lab)
    sent = pieces(peer, INFORMATIONAL, [STATUS], 10)
    unanswered(lab, peer, *sent[:9])


def never_complete_before(lab):
    """Before anybody has proven anything, and then IKE_AUTH comes whole."""
    peer = begun(lab)
    sent = pieces(peer, IKE_AUTH, peer.auth_payloads(), 6)
    for message in sent[1:]:
        peer.send(message)
    peer.silence()
    peer.authenticate().expect_echo()


def megabyte(lab):
    """As much as there is in the window, again and again: what is held is bounded."""
    peer = insider(lab)
    before = lab.memory()
    for message_id in range(peer.next_id, peer.next_id + peer.window):
        for number in range(2, 60):
            peer.send(piece(peer, INFORMATIONAL, 0, os.urandom(2000), number, 60, message_id))
    peer.silence()
    expect(lab.memory() - before < 4096, f"memory grew by {lab.memory() - before} KiB")
    peer.expect_alive()


def wrong_numbers(lab, number, total):
    peer = insider(lab)
    kind, inner = codec.chain([codec.delete(PROTOCOL_IKE)])
    unanswered(lab, peer, piece(peer, INFORMATIONAL, kind, inner, number, total))


def total_largest(lab):
    peer = insider(lab)
    unanswered(lab, peer, *(piece(peer, INFORMATIONAL, VENDOR, b"x" * 100, number, 65535)
                            for number in (1, 2, 3, 65535)))


def total_shrinks(lab):
    """Pieces of a smaller total do not belong to those of a larger one that are kept."""
    peer = insider(lab)
    kind, inner = codec.chain([codec.delete(PROTOCOL_IKE)])
    unanswered(lab, peer, piece(peer, INFORMATIONAL, kind, inner[:4], 1, 3),
               piece(peer, INFORMATIONAL, kind, inner[:4], 1, 2),
               piece(peer, INFORMATIONAL, 0, inner[4:], 2, 2))


def total_grows(lab):
    """A larger total begins the message anew: smaller pieces, because larger ones did not pass."""
    peer = insider(lab)
    for message in pieces(peer, INFORMATIONAL, [STATUS], 3)[:2]:
        peer.send(message)
    for message in pieces(peer, INFORMATIONAL, [STATUS], 7):
        peer.send(message)
    expect(answer_to(peer, INFORMATIONAL) == [], "not answered as usual")
    peer.expect_echo()


def other_content(lab):
    """The first piece of a number counts, what overlaps it does not."""
    peer = insider(lab)
    kind, inner = codec.chain([codec.delete(PROTOCOL_IKE)])
    good = pieces(peer, INFORMATIONAL, [STATUS], 3)
    peer.send(good[0])
    peer.send(piece(peer, INFORMATIONAL, kind, inner, 1, 3))
    peer.send(good[1])
    peer.send(piece(peer, INFORMATIONAL, 0, b"", 2, 3))
    peer.send(good[2])
    expect(answer_to(peer, INFORMATIONAL) == [], "not answered as usual")
    peer.expect_alive()


def forged_between(lab):
    """Pieces whose checksum is wrong take nobody's place."""
    peer = insider(lab)
    for message in pieces(peer, INFORMATIONAL, [STATUS], 4):
        forged = bytearray(message)
        forged[-1] ^= 1
        peer.send(bytes(forged))
        forged = bytearray(message)
        forged[33] ^= 3  # its number
        peer.send(bytes(forged))
        peer.send(message)
    expect(answer_to(peer, INFORMATIONAL) == [], "not answered as usual")
    peer.expect_echo()


def empty_pieces(lab):
    """Pieces of nothing between the others change nothing; at most they are passed over."""
    peer = insider(lab)
    kind, inner = codec.chain([STATUS])
    for number, chunk in enumerate((inner[:400], b"", inner[400:], b""), 1):
        peer.send(piece(peer, INFORMATIONAL, kind if number == 1 else 0, chunk, number, 4))
    found = answer_to(peer, INFORMATIONAL)
    expect(found in ([], None), f"answered by {found}")
    peer.expect_alive()


def too_short(lab):
    peer = insider(lab)
    messages = [codec.message(peer.spi_i, peer.spi_r, INFORMATIONAL, INITIATOR, peer.next_id,
                              [Payload(SKF, (b"\0\1\0\2" + os.urandom(30))[:length],
                                       following=0)])
                for length in range(0, 29)]
    unanswered(lab, peer, *messages)


def too_large(lab):
    """What would be larger than any message may be is not kept until it is."""
    peer = insider(lab)
    before = lab.memory()
    for number in range(1, 60):
        peer.send(piece(peer, INFORMATIONAL, VENDOR if number == 1 else 0, bytes(8000), number, 59))
    peer.silence()
    expect(lab.memory() - before < 4096, f"memory grew by {lab.memory() - before} KiB")
    peer.expect_alive()
    peer.expect_echo()


def malformed(lab):
    """Authentic in every piece and malformed as a whole, it is what it would be in one."""
    peer = insider(lab)
    for message in pieces(peer, INFORMATIONAL, (VENDOR, b"\0\0\xff\xff" + bytes(900)), 3):
        peer.send(message)
    found = answer_to(peer, INFORMATIONAL)
    expect(found and codec.notifies(found) == [INVALID_SYNTAX], f"answered by {found}")
    peer.expect_dead()


def two_messages(lab):
    """Pieces of two requests in the window, mixed: each becomes its own message."""
    peer = insider(lab)
    if peer.window < 2:
        return
    first, second = peer.next_id, peer.next_id + 1
    for one, other in zip(pieces(peer, INFORMATIONAL, [STATUS], 4, first),
                          pieces(peer, INFORMATIONAL, [STATUS, STATUS], 4, second)):
        peer.send(other)
        peer.send(one)
    found = {codec.read_header(data).message_id for data in peer.arrivals(0.3)}
    expect(found == {first, second}, f"answers to {found}")
    peer.next_id += 2
    peer.expect_alive()


def late_pieces(lab):
    """A piece that comes again when all is answered brings the answer again if it is the first."""
    peer = insider(lab)
    sent = pieces(peer, INFORMATIONAL, [STATUS], 4)
    for message in sent:
        peer.send(message)
    expect(answer_to(peer, INFORMATIONAL) == [], "not answered as usual")
    for message in sent[1:]:
        peer.send(message)
    peer.silence()
    expect(peer.ask(sent[0], 0.5) == peer.last_answer, "the first piece brings no answer")
    peer.expect_alive()


def whole_after_piece(lab):
    """The same request whole, after some pieces of it."""
    peer = insider(lab)
    peer.send(pieces(peer, INFORMATIONAL, [STATUS], 3)[0])
    expect(peer.inform(STATUS) == [], "not answered as usual")
    peer.send(pieces(peer, INFORMATIONAL, [STATUS], 3, peer.next_id - 1)[2])
    peer.silence()
    peer.expect_echo()


def clear_before(lab):
    """What stands in clear before the fragments is nobody's word."""
    peer = insider(lab)
    kind, inner = codec.chain([STATUS])
    for number, chunk in enumerate((inner[:500], inner[500:]), 1):
        peer.send(piece(peer, INFORMATIONAL, kind if number == 1 else 0, chunk, number, 2,
                        outer=[codec.delete(PROTOCOL_IKE)]))
    answer_to(peer, INFORMATIONAL)
    peer.expect_alive()
    peer.expect_echo()


def in_the_beginning(lab):
    """IKE_SA_INIT has no keys and is not fragmented."""
    peer = lab.peer()
    body = b"\0\1\0\1" + os.urandom(60)
    peer.send(peer.init_request([Payload(SKF, body, following=codec.SA)]))
    lab.settle()
    list(peer.arrivals(0.05))
    still_begins(peer)
