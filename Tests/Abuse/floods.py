"""Floods: what strangers cost is bounded, in number and in time, and genuine peers come through."""

import hmac
import os
import time

from Tests.Abuse import codec
from Tests.Abuse.codec import COOKIE, PUZZLE, PUZZLE_SOLUTION, Payload
from Tests.Abuse.judging import still_begins
from Tests.Abuse.peer import GATEWAY
from Tests.Lab.frames import Wire, udp_packet
from Tests.Lab.processes import expect

# Half-open SAs of the last cases, and how long a genuine peer may take in a flood, in seconds.
THRESHOLD, LIMIT, PATIENCE = 8, 400, 3.0
OF_ONE_ADDRESS = 64
HALF_OPEN_SECONDS = 30


def register_first(add):
    """Early, for what it leaves behind has to be gone at the end."""
    add("flood/half-open-sas-of-one-address", "RFC 7296 §2.6", one_address, lane="first")


def register_last(add):
    add("flood/half-open-sas-end", "RFC 7296 §2.6", half_open_ends, lane="first")


def register(add):
    add("flood/half-open-sas-of-many-addresses", "RFC 7296 §2.6", many_addresses)
    add("flood/genuine-peer-within", "RFC 7296 §2.6", genuine_within)
    add("flood/cookies-that-are-none", "RFC 7296 §2.6", false_cookies)
    add("flood/cookie-of-another-address", "RFC 7296 §2.6", stolen_cookie)
    add("flood/cookie-for-another-nonce", "RFC 7296 §2.6", cookie_reused, what="nonce")
    add("flood/cookie-for-another-spi", "RFC 7296 §2.6", cookie_reused, what="spi")
    add("flood/cookie-not-first", "RFC 7296 §2.6, §2.5", cookie_not_first)
    add("flood/two-cookies", "RFC 7296 §2.6", two_cookies)
    add("flood/puzzle-solved", "RFC 8019 §7.1.2, §7.1.4", puzzle_solved)
    add("flood/puzzle-not-solved", "RFC 8019 §7.1.4, §7.1.5", puzzle_not_solved)
    add("flood/answers-no-larger-than-questions", "RFC 7296 §2.6", amplification)


def begin(lab):
    """A daemon that demands cookies early, which these cases share."""
    settings = f"cookie-threshold: {THRESHOLD}", f"half-open-limit: {LIMIT}"
    if lab.settings != settings:
        lab.start(*settings)


def request(peer, cookie=None):
    """A right beginning under an SPI of its own, with a cookie if there is one."""
    extra = [codec.notify(COOKIE, cookie)] if cookie else []
    return peer.init_request(extra=extra)


def demanded(answer):
    """(cookie, puzzle) that an answer asks for, each None where it does not."""
    read = codec.read_header(answer)
    if read.first != codec.NOTIFY or read.responder != bytes(8):
        return None, None
    found = {payload.notify[0]: payload.notify[3]
             for payload in codec.read_chain(read.first, answer[28:])}
    expect(set(found) <= {COOKIE, PUZZLE} and COOKIE in found, f"it asks for {set(found)}")
    return found[COOKIE], found.get(PUZZLE)


def cookie_in(answer):
    expect(answer, "no answer")
    cookie, _ = demanded(answer)
    expect(cookie is not None, "no cookie was demanded")
    expect(1 <= len(cookie) <= 64, f"a cookie of {len(cookie)} octets")
    return cookie


def is_cookie(answer):
    return demanded(answer)[0] is not None


def solution(cookie, puzzle):
    """Four keys of one size whose PRF of the cookie ends in so many zero bits (RFC 8019 §7.1.3)."""
    expect(puzzle[:2] == b"\0\5", f"a puzzle for PRF {puzzle[:2].hex()}, which was not offered")
    mask, found, number = (1 << puzzle[2]) - 1, [], 0
    while len(found) < 4:
        key = number.to_bytes(8, "big")
        if not int.from_bytes(hmac.digest(key, cookie, "sha256")[-4:], "big") & mask:
            found.append(key)
        number += 1
    return Payload(PUZZLE_SOLUTION, b"".join(found))


def half_open(lab, peer, count):
    """Begins so many exchanges and leaves them; returns how many were answered and not sent away
    with a cookie. Cookies are returned."""
    opened = 0
    for _ in range(count):
        peer.spi_i, peer.spi_r, peer.nonce_i = os.urandom(8), bytes(8), os.urandom(32)
        answer = peer.ask(request(peer), 0.2)
        if answer and is_cookie(answer):
            answer = peer.ask(request(peer, cookie_in(answer)), 0.2)
        if answer and not is_cookie(answer):
            opened += 1
    return opened


def fill(lab):
    """Half-open SAs enough that everybody is asked for a cookie."""
    begin(lab)
    half_open(lab, lab.peer(), THRESHOLD)


def one_address(lab):
    """One address has so many half-open SAs, cookies or not, and a second one still gets in."""
    peer = lab.peer()
    lab.peers.remove(peer)  # it is asked for once more at the end
    lab.first_half_open = time.monotonic(), peer
    opened = half_open(lab, peer, OF_ONE_ADDRESS + 5)
    expect(0 < opened <= OF_ONE_ADDRESS, f"{opened} half-open SAs")
    expect(half_open(lab, lab.peer(), 1) == 1, "another address does not get in")


def spoofed(lab, count, rate=None):
    """Right beginnings from addresses and ports that are nobody's."""
    template = request(lab.peer())
    with Wire(lab.network) as wire:
        for number in range(count):
            source = f"203.0.113.{100 + number % 150}"
            wire.send(udp_packet(source, GATEWAY, 1024 + number % 60_000, 500,
                                 os.urandom(8) + template[8:]))
            if rate and number % rate == rate - 1:
                yield number
    yield count


def many_addresses(lab):
    """Six thousand strangers: memory and time stay bounded, the tunnel works between."""
    fill(lab)
    before, used = lab.memory(), lab.processor_seconds()
    for _ in spoofed(lab, 6000, rate=1000):
        lab.honest.expect_echo()
    used = lab.processor_seconds() - used
    expect(lab.memory() - before < 8192, f"memory grew by {lab.memory() - before} KiB")
    expect(used < 3, f"{used:.1f} s of the processor for 6000 requests")


def genuine_within(lab):
    """A peer that returns its cookie connects while the flood goes on."""
    fill(lab)
    slowest = 0
    for _ in spoofed(lab, 4000, rate=1000):
        peer, begun = lab.peer(), time.monotonic()
        peer.begin().authenticate().expect_echo()
        slowest = max(slowest, time.monotonic() - begun)
    expect(slowest < PATIENCE, f"a genuine peer took {slowest:.1f} s")


def false_cookies(lab):
    """Cookies that were never given: the true one is asked for again, and no key exchange done."""
    fill(lab)
    peer = lab.peer()
    true = cookie_in(peer.ask(request(peer), 0.4, 3))
    for cookie in (b"\0", b"\1" * 64, true[:-1], true + b"\0", true[::-1],
                   bytes([true[0]]) + bytes(len(true) - 1),
                   true[:-1] + bytes([true[-1] ^ 1]), os.urandom(200)):
        answer = peer.ask(request(peer, cookie), 0.4, 2)
        expect(answer and is_cookie(answer), f"{cookie.hex()} was taken")
    answer = peer.ask(request(peer, true), 0.4, 2)
    expect(answer and not is_cookie(answer), "the true one was refused")


def stolen_cookie(lab):
    fill(lab)
    peer, thief = lab.peer(), lab.peer()
    true = cookie_in(peer.ask(request(peer), 0.4, 3))
    thief.spi_i, thief.nonce_i = peer.spi_i, peer.nonce_i
    answer = thief.ask(request(thief, true), 0.4, 2)
    expect(answer and is_cookie(answer), "another address's cookie was taken")


def cookie_reused(lab, what):
    fill(lab)
    peer = lab.peer()
    true = cookie_in(peer.ask(request(peer), 0.4, 3))
    if what == "nonce":
        peer.nonce_i = os.urandom(32)
    else:
        peer.spi_i = os.urandom(8)
    answer = peer.ask(request(peer, true), 0.4, 2)
    expect(answer and is_cookie(answer), f"a cookie for another {what} was taken")


def cookie_not_first(lab):
    """The cookie should come first; elsewhere it is no reason to reject the message as invalid."""
    fill(lab)
    peer = lab.peer()
    true = cookie_in(peer.ask(request(peer), 0.4, 3))
    late = peer.init_request([*peer.init_payloads(), codec.notify(COOKIE, true)])
    answer = peer.ask(late, 0.4, 2)
    expect(answer, "no answer")
    if is_cookie(answer):
        cookie_in(answer)


def two_cookies(lab):
    fill(lab)
    peer = lab.peer()
    true = cookie_in(peer.ask(request(peer), 0.4, 3))
    both = peer.init_request(extra=[codec.notify(COOKIE, b"false"), codec.notify(COOKIE, true)])
    answer = peer.ask(both, 0.4, 2)
    expect(answer is not None, "no answer")
    still_begins(peer)


def puzzled(lab):
    """A peer at an address with so many half-open SAs that it gets puzzles."""
    begin(lab)
    peer = lab.peer()
    half_open(lab, peer, OF_ONE_ADDRESS // 2)
    return peer


def ask_for_puzzle(peer):
    """(cookie, puzzle) of a new beginning, which is asked for a cookie first."""
    peer.spi_i, peer.spi_r, peer.nonce_i = os.urandom(8), bytes(8), os.urandom(32)
    cookie = cookie_in(peer.ask(request(peer), 0.4))
    answer = peer.ask(request(peer, cookie), 0.4)
    expect(answer, "a true cookie was not answered")
    return demanded(answer)


def puzzle_solved(lab):
    """Who has worked for it comes in, once."""
    peer = puzzled(lab)
    cookie, puzzle = ask_for_puzzle(peer)
    expect(puzzle, "no puzzle was given")
    solved = peer.init_request(extra=[codec.notify(COOKIE, cookie), solution(cookie, puzzle)])
    answer = peer.ask(solved, 0.5)
    expect(answer and not is_cookie(answer), "the solution was not taken")


def puzzle_not_solved(lab):
    """Solutions that are none: served by lot now and then, and mostly not."""
    peer = puzzled(lab)
    served = 0
    for number in range(16):
        cookie, puzzle = ask_for_puzzle(peer)
        expect(puzzle, "no puzzle was given")
        body = (os.urandom(32), bytes(32), b"", b"\1", os.urandom(33), os.urandom(4096))[number % 6]
        wrong = peer.init_request(extra=[codec.notify(COOKIE, cookie),
                                         Payload(PUZZLE_SOLUTION, body)])
        answer = peer.ask(wrong, 0.1)
        served += bool(answer and not is_cookie(answer))
    expect(served <= 12, f"{served} of 16 were served")


def amplification(lab):
    """What is sent to an address that has not shown to be there is smaller than what it sent."""
    fill(lab)
    peer = lab.peer()
    asked = answered = 0
    for _ in range(50):
        peer.spi_i = os.urandom(8)
        wanted = request(peer)
        answer = peer.ask(wanted, 0.3)
        asked += len(wanted)
        answered += len(answer or b"")
    expect(0 < answered < asked, f"{answered} octets answer {asked}")


def half_open_ends(lab):
    """Half-open SAs of long ago are gone and make room."""
    if lab.first_half_open is None:
        one_address(lab)
    begun, peer = lab.first_half_open
    lab.peers.append(peer)
    time.sleep(max(0, begun + HALF_OPEN_SECONDS + 1 - time.monotonic()))
    expect(half_open(lab, peer, 3) == 3, "half-open SAs of long ago still count")
