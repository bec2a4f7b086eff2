"""IKE over TCP (RFC 9329): prefixes, lengths, halves of frames, and more connections than anybody
needs."""

import contextlib
import os
import socket
import time

from Tests.Abuse import codec
from Tests.Abuse.peer import GATEWAY, ICMP, MARKER, Raw
from Tests.Lab.processes import Failure, expect, wait_until

PREFIX = b"IKETCP"
PORT = 4500
# Seconds after which a connection without an IKE SA is over, with the sweep that finds it.
IDLE = 14


def register(add):
    add("stream/good-order", "RFC 9329 §6.1", good_order)
    for name, octets in (("http", b"GET / HTTP/1.1\r\n\r\n"), ("no-prefix", None),
                         ("prefix-in-lower-case", b"iketcp\0\0"), ("tls", b"\x16\x03\x01\x02\0\1")):
        add(f"stream/bad-prefix-{name}", "RFC 9329 §4", bad_prefix, octets=octets)
    add("stream/length-zero-and-one", "RFC 9329 §3.1", bad_length)
    add("stream/length-two-is-passed-over", "RFC 9329 §3", empty_message)
    add("stream/keepalive-is-passed-over", "RFC 9329 §6.6", keepalive)
    add("stream/content-of-two-to-four-octets", "RFC 9329 §3", short_content)
    add("stream/octet-by-octet", "RFC 9329 §3", octet_by_octet)
    add("stream/half-frames-for-ever", "RFC 9329 §6.3.1, §10", half_frames)
    add("stream/thousands-of-connections", "RFC 9329 §10", thousands)
    add("stream/esp-of-unknown-spi", "RFC 9329 §6.1", unknown_spi)
    add("stream/ike-without-marker", "RFC 9329 §3", without_marker)
    add("stream/second-ike-sa-on-one-connection", "RFC 9329 §6.1", second_sa)
    add("stream/known-sa-without-prefix", "RFC 9329 §6.1", known_without_prefix)
    add("stream/forged-message-on-a-new-connection", "RFC 9329 §6.1", forged_elsewhere)
    add("stream/authentic-message-on-a-new-connection", "RFC 9329 §6.1", moved)
    add("stream/request-again-on-a-new-connection", "RFC 9329 §6.1, §6.2", repeated_elsewhere)
    add("stream/reader-that-never-reads", "RFC 9329 §10", never_reads)
    add("stream/connection-of-udp-alone", "RFC 9329 §5", not_configured)
    add("stream/reset-leaves-the-ike-sa", "RFC 9329 §6.1", broken)
    add("stream/esp-in-good-order", "RFC 9329 §3.2", esp)
    add("stream/esp-octet-by-octet", "RFC 9329 §3.2", esp_octet_by_octet)
    add("stream/esp-and-ike-in-turn", "RFC 9329 §3", esp_and_ike)
    add("stream/esp-again", "RFC 4303 §3.4.3", esp_again)
    add("stream/esp-forged-now-and-then", "RFC 9329 §6.1", esp_forged)
    add("stream/esp-forged-without-end", "RFC 9329 §6.1, §10", esp_corrupt)
    add("stream/esp-of-a-stranger's-connection", "RFC 9329 §6.1", esp_elsewhere)
    add("stream/esp-follows-to-another-connection", "RFC 9329 §6.1", esp_moved)
    add("stream/esp-of-every-length", "RFC 9329 §3", esp_lengths)
    add("stream/esp-connection-cut-in-a-packet", "RFC 9329 §6.1", esp_cut)
    add("stream/bad-length-behind-esp", "RFC 9329 §3.2", bad_length_behind_esp)
    add("stream/esp-for-one-that-never-reads", "RFC 9329 §10", esp_never_read)
    add("stream/ike-flood-beside-esp", "RFC 9329 §10", ike_flood)


class Stream:
    """One connection of a peer's to the gateway."""

    def __init__(self, peer, prefix=PREFIX):
        self.peer = peer
        self.door = peer.lab.network.right.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.door.bind((peer.address, 0))
        self.door.settimeout(2)
        self.door.connect((GATEWAY, PORT))
        self.data = b""
        if prefix:
            self.write(prefix)

    def write(self, octets):
        self.door.sendall(octets)

    def send(self, message):
        self.write(frame(MARKER + message))

    def receive(self, seconds=1.0):
        """The next content of a frame, or None."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self.data) >= 2:
                length = int.from_bytes(self.data[:2], "big")
                if len(self.data) >= length:
                    content, self.data = self.data[2:length], self.data[length:]
                    return content
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.door.settimeout(left)
            try:
                more = self.door.recv(65536)
            except TimeoutError:
                return None
            except ConnectionError:
                return None
            if not more:
                return None
            self.data += more

    def is_closed(self, seconds=1.0):
        """Whether the gateway ends the connection, without a word, within the time."""
        self.door.settimeout(seconds)
        try:
            return self.door.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def close(self):
        self.door.close()


def frame(content):
    return (len(content) + 2).to_bytes(2, "big") + content


@contextlib.contextmanager
def by_stream(peer):
    """For the time of the block the peer sends and receives its messages by a TCP connection."""
    stream = Stream(peer)

    def ask(data, seconds=1.0, tries=1, nat=None):
        stream.send(data)
        while (content := stream.receive(seconds)) is not None:
            if content[:4] == MARKER and codec.read_header(content[4:]).is_response:
                return content[4:]
        return None
    before, peer.ask = peer.ask, ask
    try:
        yield stream
    finally:
        peer.ask = before
        stream.close()


def good_order(lab):
    """An IKE SA comes up, is used and is deleted over one connection, which then ends."""
    peer = lab.caller()
    with by_stream(peer) as stream:
        peer.begin().authenticate()
        peer.expect_alive()
        expect(lab.connection(peer)["ikeSA"]["transport"] == "tcp", "status knows nothing of TCP")
        peer.inform(codec.delete(codec.PROTOCOL_IKE))
        expect(stream.is_closed(IDLE), "the connection of a deleted IKE SA stays")


def bad_prefix(lab, octets):
    peer = lab.caller()
    stream = Stream(peer, prefix=None)
    stream.write(octets if octets is not None else frame(MARKER + peer.init_request()))
    expect(stream.is_closed(), "the connection stays open")


def bad_length(lab):
    peer = lab.caller()
    for length in (b"\0\0", b"\0\1"):
        stream = Stream(peer)
        stream.write(length)
        expect(stream.is_closed(), f"length {length.hex()} does not end the connection")


def begins(peer, stream):
    """A right first request on this connection is answered."""
    stream.send(peer.init_request())
    content = stream.receive()
    expect(content and content[:4] == MARKER, "no answer to IKE_SA_INIT")
    expect(codec.read_header(content[4:]).is_response, "no answer to IKE_SA_INIT")


def empty_message(lab):
    peer = lab.caller()
    stream = Stream(peer)
    stream.write(b"\0\2" * 1000)
    begins(peer, stream)


def keepalive(lab):
    peer = lab.caller()
    stream = Stream(peer)
    stream.write(b"\0\3\xff" * 1000)
    begins(peer, stream)


def short_content(lab):
    """Neither IKE nor ESP: the stream may be out of step, and ends or goes on; never an answer."""
    peer = lab.caller()
    for content in (b"\1", b"\0\0", b"\0\0\0", MARKER, b"\1\2\3\4"):
        stream = Stream(peer)
        stream.write(frame(content))
        expect(stream.receive(0.2) is None, f"{content.hex()} is answered")
        stream.close()


def octet_by_octet(lab):
    peer = lab.caller()
    stream = Stream(peer, prefix=None)
    stream.door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in PREFIX + frame(MARKER + peer.init_request()):
        stream.write(bytes([octet]))
    content = stream.receive()
    expect(content and codec.read_header(content[4:]).is_response, "no answer")


def half_frames(lab):
    """Who sends a little of a long frame now and then has ten seconds, as everybody has."""
    peer = lab.caller()
    streams = [Stream(peer) for _ in range(40)]
    for stream in streams:
        stream.write(b"\xff\xff" + MARKER)
    deadline = time.monotonic() + IDLE
    while time.monotonic() < deadline:
        for stream in streams:
            with contextlib.suppress(OSError):
                stream.write(b"\0" * 200)
        time.sleep(0.5)
    expect(all(stream.is_closed(0.1) for stream in streams), "one of them is still open")


def thousands(lab):
    """One source has so many connections; others come through all the same."""
    peer, other = lab.caller(), lab.caller()
    made = []
    try:
        for _ in range(1500):
            with contextlib.suppress(OSError):
                made.append(Stream(peer, prefix=None))
        descriptors = len(os.listdir(f"/proc/{lab.daemon_pid()}/fd"))
        expect(descriptors < 200, f"the daemon has {descriptors} descriptors open")
        stream = Stream(other)
        begins(other, stream)
        lab.honest.expect_alive()
    finally:
        for stream in made:
            stream.close()


def unknown_spi(lab):
    """A few of them, and many, are dropped; the connection goes on."""
    peer = lab.caller()
    stream = Stream(peer)
    for _ in range(200):
        stream.write(frame(b"\1" + os.urandom(99)))
    begins(peer, stream)


def without_marker(lab):
    """What has no marker is ESP, whatever it looks like."""
    peer = lab.caller()
    stream = Stream(peer)
    stream.write(frame(peer.init_request()))
    expect(stream.receive(0.3) is None, "answered")
    begins(peer, stream)


def second_sa(lab):
    peer = lab.caller()
    with by_stream(peer) as stream:
        peer.begin().authenticate()
        request = codec.message(os.urandom(8), bytes(8), codec.IKE_SA_INIT, codec.INITIATOR, 0,
                                peer.init_payloads())
        stream.send(request)
        expect(stream.receive(0.3) is None, "a second IKE SA on the same connection")
        peer.expect_alive()


def known_without_prefix(lab):
    peer = lab.caller()
    with by_stream(peer):
        peer.begin().authenticate()
        stream = Stream(peer, prefix=None)
        stream.write(frame(MARKER + peer.seal(codec.INFORMATIONAL, [])))
        expect(stream.is_closed(), "the connection stays open")
        peer.expect_alive()


def endpoint(lab, peer):
    return lab.connection(peer)["ikeSA"]["remoteEndpoint"]


def forged_elsewhere(lab):
    """Only what is authentic moves an IKE SA to another connection."""
    peer = lab.caller()
    with by_stream(peer):
        peer.begin().authenticate()
        before = endpoint(lab, peer)
        stream = Stream(peer)
        message = bytearray(peer.seal(codec.INFORMATIONAL, []))
        message[-1] ^= 1
        stream.send(bytes(message))
        expect(stream.receive(0.3) is None, "answered")
        expect(endpoint(lab, peer) == before, "the IKE SA has moved")
        peer.expect_alive()


def moved(lab):
    """The connection by which the last authentic message came is the one from then on."""
    peer = lab.caller()
    with by_stream(peer):
        peer.begin().authenticate()
        before = endpoint(lab, peer)
    with by_stream(peer):
        peer.expect_alive()
        expect(endpoint(lab, peer) != before, "the IKE SA has not moved")


def repeated_elsewhere(lab):
    """A repetition is answered where it comes from, and moves nothing."""
    peer = lab.caller()
    with by_stream(peer):
        peer.begin().authenticate()
        peer.expect_alive()
        before = endpoint(lab, peer)
        stream = Stream(peer)
        stream.send(peer.last_request)
        content = stream.receive()
        expect(content and content[4:] == peer.last_answer, "the answer does not come again")
        expect(endpoint(lab, peer) == before, "a repetition moved the IKE SA")


def never_reads(lab):
    """Answers that nobody takes are not kept without end."""
    peer = lab.caller()
    with by_stream(peer) as stream:
        peer.begin().authenticate()
        peer.inform()
        request = frame(MARKER + peer.last_request)
        stream.door.setblocking(False)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                stream.door.send(request * 200)
            except BlockingIOError:
                time.sleep(0.01)
            except ConnectionError:
                break
    lab.settle()


def not_configured(lab):
    """A connection of the file that says nothing of TCP is not for those who come by it."""
    peer = lab.peer()
    stream = Stream(peer)
    stream.send(peer.init_request())
    content = stream.receive(0.5)
    if content:
        read = codec.read_header(content[4:])
        payloads = codec.read_chain(read.first, content[32:])
        expect(codec.errors(payloads) == [codec.NO_PROPOSAL_CHOSEN], f"answered by {payloads}")


def broken(lab):
    """RFC 9329 §6.1: "both sides SHOULD maintain the state for their SAs"."""
    peer = lab.caller()
    with by_stream(peer) as stream:
        peer.begin().authenticate()
        stream.door.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.2)
    expect(lab.connection(peer)["state"] == "established", "the IKE SA went with its connection")
    with by_stream(peer):
        peer.expect_alive()


@contextlib.contextmanager
def tunnel(lab):
    """A peer whose IKE SA and tunnel go along one connection."""
    peer = lab.caller()
    with by_stream(peer) as stream:
        peer.begin().authenticate()
        yield peer, stream


def request(peer, octets=32):
    peer.echo_number = getattr(peer, "echo_number", 0) + 1
    return peer.echo_request(peer.echo_number, octets=octets)


def answered(peer, stream, packet, seconds=1.0):
    """Whether the echo request is answered along the connection."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        content = stream.receive(left)
        for child in peer.children:
            if not content or content[:4] != child.inbound_spi:
                continue
            inner = child.open(content)
            if inner and ICMP in inner and inner[ICMP].type == 0 \
                    and inner[ICMP].seq == packet[ICMP].seq and bytes(inner[Raw]) == bytes(packet[Raw]):
                return True
    return False


def echoes(peer, stream, octets=32, seconds=1.0):
    packet = request(peer, octets)
    stream.write(frame(peer.children[-1].seal(packet)))
    return answered(peer, stream, packet, seconds)


def expect_echoes(peer, stream, **options):
    expect(echoes(peer, stream, **options), "no echo along the connection")


def esp(lab):
    """An independent codec's packets go in and out, many in one write too."""
    with tunnel(lab) as (peer, stream):
        for octets in (1, 100, 700, 1300):
            expect_echoes(peer, stream, octets=octets)
        packets = [request(peer) for _ in range(50)]
        stream.write(b"".join(frame(peer.children[-1].seal(packet)) for packet in packets))
        expect(all(answered(peer, stream, packet) for packet in packets), "not every echo")
        peer.expect_alive()


def esp_octet_by_octet(lab):
    with tunnel(lab) as (peer, stream):
        stream.door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        packet = request(peer)
        for octet in frame(peer.children[-1].seal(packet)):
            stream.write(bytes([octet]))
        expect(answered(peer, stream, packet), "no echo")


def esp_and_ike(lab):
    """A child that is rekeyed between packets, in one connection with them."""
    with tunnel(lab) as (peer, stream):
        for _ in range(5):
            expect_echoes(peer, stream)
            peer.expect_alive()
        peer.rekey_child()
        expect_echoes(peer, stream)


def esp_again(lab):
    """A packet that comes twice is taken once, and nothing else happens."""
    with tunnel(lab) as (peer, stream):
        packet = request(peer)
        sealed = frame(peer.children[-1].seal(packet))
        stream.write(sealed)
        expect(answered(peer, stream, packet), "no echo")
        lab.expect_dropped("replayed", lambda: stream.write(sealed * 500), 500)
        expect(not answered(peer, stream, packet, 0.2), "an old packet was taken again")
        expect_echoes(peer, stream)


def forged(peer):
    sealed = bytearray(peer.children[-1].seal(request(peer)))
    sealed[-1] ^= 1
    return frame(bytes(sealed))


def esp_forged(lab):
    """A few packets that are not authentic are no reason to close."""
    with tunnel(lab) as (peer, stream):
        for _ in range(20):
            lab.expect_dropped("authenticationFailed", lambda: stream.write(forged(peer) * 5), 5)
            expect_echoes(peer, stream)


def esp_corrupt(lab):
    """Many are; the IKE SA stays, and goes on along another connection."""
    for octets in (frame(b"\1" + os.urandom(99)), None):
        with tunnel(lab) as (peer, stream):
            expect_echoes(peer, stream)
            stream.write((octets or forged(peer)) * 300)
            expect(stream.is_closed(2), "a connection of nothing but forgeries stays open")
            expect(lab.connection(peer)["state"] == "established", "the IKE SA is gone")
        with by_stream(peer) as other:
            peer.expect_alive()
            expect_echoes(peer, other)


def esp_elsewhere(lab):
    """Without an authentic IKE message a connection carries no packets."""
    with tunnel(lab) as (peer, stream):
        expect_echoes(peer, stream)
        other = Stream(peer)
        packet = request(peer)
        other.write(frame(peer.children[-1].seal(packet)))
        expect(other.receive(0.3) is None, "answered along a connection of nobody")
        expect(not answered(peer, stream, packet, 0.2), "the packet was taken")
        expect_echoes(peer, stream)
        other.close()


def esp_moved(lab):
    """Packets follow the last authentic message, and the older connection is heard still."""
    with tunnel(lab) as (peer, stream):
        expect_echoes(peer, stream)
        with by_stream(peer) as other:
            peer.expect_alive()
            expect_echoes(peer, other)
            packet = request(peer)
            stream.write(frame(peer.children[-1].seal(packet)))
            expect(answered(peer, other, packet), "what came by the older connection is lost")


def esp_lengths(lab):
    """Contents of five to a hundred octets behind an SPI that is known: none is a packet."""
    with tunnel(lab) as (peer, stream):
        spi = peer.children[-1].outbound_spi
        for octets in range(1, 97):
            stream.write(frame(spi + os.urandom(octets)))
            if octets % 20 == 0:
                expect_echoes(peer, stream)
        expect_echoes(peer, stream)
        stream.write(frame(spi + os.urandom(65_000)))
        expect_echoes(peer, stream)


def esp_cut(lab):
    """RFC 9329 §6.1: "A peer MUST discard a partially received message due to a broken connection"."""
    with tunnel(lab) as (peer, stream):
        expect_echoes(peer, stream)
        packet = request(peer)
        sealed = frame(peer.children[-1].seal(packet))
        stream.write(sealed[:30])
        time.sleep(0.1)
    with by_stream(peer) as other:
        peer.expect_alive()
        other.write(frame(peer.children[-1].seal(request(peer))))
        expect_echoes(peer, other)


def bad_length_behind_esp(lab):
    for length in (b"\0\0", b"\0\1"):
        with tunnel(lab) as (peer, stream):
            expect_echoes(peer, stream)
            stream.write(frame(peer.children[-1].seal(request(peer))) + length)
            while stream.receive(0.2):
                pass
            expect(stream.is_closed(2), f"length {length.hex()} does not end the connection")


def esp_never_read(lab):
    """What is for one that never reads is dropped, and others have their packets in time."""
    with tunnel(lab) as (peer, stream):
        expect_echoes(peer, stream)
        stream.door.setblocking(False)
        sealed = b"".join(frame(peer.children[-1].seal(request(peer, 1300))) for _ in range(300))
        deadline, left = time.monotonic() + 20, sealed
        before = lab.drops().get("stream-queue-full", 0)
        while time.monotonic() < deadline and lab.drops().get("stream-queue-full", 0) == before:
            with contextlib.suppress(BlockingIOError):
                left = left[stream.door.send(left):]
            if not left:
                left = sealed = b"".join(
                    frame(peer.children[-1].seal(request(peer, 1300))) for _ in range(300))
        expect(lab.drops().get("stream-queue-full", 0) > before, "nothing was dropped")
        lab.honest.expect_echo()
        lab.honest.expect_alive()


def ike_flood(lab):
    """IKE of nobody in masses, along a connection that carries packets: it ends, or goes on."""
    with tunnel(lab) as (peer, stream):
        expect_echoes(peer, stream)
        junk = frame(MARKER + os.urandom(28)) * 5000
        with contextlib.suppress(OSError):
            stream.write(junk)
        lab.honest.expect_alive()
        expect(lab.connection(peer)["state"] == "established", "the IKE SA is gone")
    with by_stream(peer) as other:
        peer.expect_alive()
        expect_echoes(peer, other)
