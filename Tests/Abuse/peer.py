"""The peer itself: IKE_SA_INIT, IKE_AUTH and what follows, as initiator or as responder, in good
order where nobody asks for anything else (RFC 7296 §1.2 to §1.4)."""

import hashlib
import os
import socket
import time

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Raw

from Tests.Abuse import codec
from Tests.Abuse.codec import (
    AUTH, CREATE_CHILD_SA, DH, ESN, IDI, IDR, IKE_AUTH, IKE_SA_INIT, INFORMATIONAL, INITIATOR, KE,
    NONCE, NOTIFY, PRF, PROTOCOL_ESP, PROTOCOL_IKE, RESPONSE, SA, SK, TSI, TSR)
from Tests.Abuse.keys import GCM, Keys, X25519, prf, psk_auth
from Tests.Lab.processes import Failure, expect

MARKER = bytes(4)
GATEWAY = "192.0.2.1"
GATEWAY_IDENTITY = "left.example"
GATEWAY_INNER = "10.1.0.1"
GATEWAY_NETWORK = "10.1.0.0/16"
GATEWAY_INNER6, GATEWAY_NETWORK6 = "fd00:1::1", "fd00:1::/64"
SECRET = b"swans-mate-for-life-4711"


def address(number):
    """The address of a peer: first in the right network, then in others behind it."""
    if number < 250:
        return f"198.51.100.{number}"
    return f"203.0.{113 + (number - 250) // 250}.{(number - 250) % 250 + 1}"


def inner_network(number):
    return f"10.{2 + number // 256}.{number % 256}.0/24"


def inner_network6(number):
    return f"fd00:5:{number:x}::/64"


class Child:
    """A pair of ESP SAs as Scapy understands them; `inbound` is ours to receive by."""

    def __init__(self, cipher, peer, inbound_spi, outbound_spi, keys):
        from_initiator, from_responder = keys
        out, into = ((from_initiator, from_responder) if peer.is_initiator_of_child
                     else (from_responder, from_initiator))
        self.peer = peer
        self.inbound_spi, self.outbound_spi = inbound_spi, outbound_spi
        self.outbound = self._association(cipher, outbound_spi, out, peer.address, GATEWAY)
        self.inbound = self._association(cipher, inbound_spi, into, GATEWAY, peer.address)

    @staticmethod
    def _association(cipher, spi, keys, source, target):
        encryption, integrity = keys
        return SecurityAssociation(
            ESP, spi=int.from_bytes(spi, "big"), crypt_key=encryption,
            auth_key=integrity or None, tunnel_header=IP(src=source, dst=target),
            nat_t_header=UDP(sport=4500, dport=4500), **cipher.esp)

    def seal(self, packet, number=None, iv=None):
        """The ESP packet, ready for UDP."""
        sealed = self.outbound.encrypt(packet, seq_num=number, iv=iv)
        return bytes(sealed[ESP])

    def open(self, data):
        """The inner packet, or None."""
        outer = IP(src=GATEWAY, dst=self.peer.address) / UDP(sport=4500, dport=4500) / ESP(data)
        try:
            return self.inbound.decrypt(IP(bytes(outer)))
        except Exception:  # whatever Scapy says of what it cannot open
            return None


class Peer:
    def __init__(self, lab, number, cipher=GCM, exchange=X25519, esp=None):
        self.lab = lab
        self.number = number
        self.name = f"peer-{number}"
        self.identity = f"peer-{number}.example".encode()
        self.address = address(number)
        self.inner_network = inner_network(number)
        self.inner = self.inner_network.replace(".0/24", ".1")
        self.cipher, self.exchange, self.esp = cipher, exchange, esp or cipher
        self.is_initiator = self.is_initiator_of_child = True
        namespace = lab.network.right
        namespace.ip("addr", "add", f"{self.address}/32", "dev", "wan")
        self.plain = namespace.udp(self.address, 500)
        self.nat = namespace.udp(self.address, 4500)
        self.is_on_nat_port = False
        self.children = []
        self.keys = None
        self.next_id = 0
        # What the gateway takes at once (RFC 7296 §2.3).
        self.window = 1
        # Whether a case looks itself at what the gateway says of unknown SPIs.
        self.wants_complaints = False
        # What IKE_INTERMEDIATE adds to what is signed (RFC 9242 §3.3.2).
        self.int_auth = b""
        self.secret = SECRET
        self.spi_i, self.spi_r = os.urandom(8), bytes(8)
        self.nonce_i = self.nonce_r = None
        self.key_pair = exchange()

    def close(self):
        self.plain.close()
        self.nat.close()

    def forget(self):
        """As a peer that starts afresh."""
        for door in (self.plain, self.nat):
            door.setblocking(False)
            try:
                while door.recv(65600):
                    pass
            except BlockingIOError:
                pass
        self.spi_i, self.spi_r, self.nonce_i = os.urandom(8), bytes(8), None
        self.children, self.is_on_nat_port = [], False

    # Datagrams

    def send(self, data, nat=None):
        """A message to the gateway, by the port where the IKE SA lives."""
        if self.is_on_nat_port if nat is None else nat:
            self.nat.sendto(MARKER + data, (GATEWAY, 4500))
        else:
            self.plain.sendto(data, (GATEWAY, 500))

    def send_raw(self, data):
        """A datagram to port 4500 as it is."""
        self.nat.sendto(data, (GATEWAY, 4500))

    def arrivals(self, seconds, nat=None):
        """The IKE messages that come within the time, without the marker."""
        is_nat = self.is_on_nat_port if nat is None else nat
        door = self.nat if is_nat else self.plain
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            door.settimeout(left)
            try:
                data, source = door.recvfrom(65600)
            except TimeoutError:
                return
            if source[0] != GATEWAY or is_nat and data[:4] != MARKER:
                continue
            data = data[4:] if is_nat else data
            if not self._answers_complaint(data):
                yield data

    def _answers_complaint(self, data):
        """INVALID_SPI over the IKE SA may come once for whatever looks like ESP (RFC 7296 §1.5)."""
        if (self.wants_complaints or self.keys is None or len(data) < 28
                or data[:16] != self.spi_i + self.spi_r):
            return False
        read = codec.read_header(data)
        if read.exchange != INFORMATIONAL or read.flags & RESPONSE:
            return False
        try:
            payloads = self.open(data)
        except Failure:
            return False
        if codec.errors(payloads) != [codec.INVALID_SPI]:
            return False
        self.answer(read, [])
        return True

    def receive(self, wanted, seconds=1.0, nat=None):
        """The first message for which `wanted(header)` holds, or None."""
        for data in self.arrivals(seconds, nat):
            if len(data) >= 28 and wanted(codec.read_header(data)):
                return data
        return None

    def ask(self, data, seconds=1.0, tries=1, nat=None):
        """Sends a request and returns the answer with its message ID, or None."""
        asked = codec.read_header(data[:28])
        for _ in range(tries):
            self.send(data, nat)
            answer = self.receive(
                lambda header: header.is_response and header.message_id == asked.message_id
                and header.exchange == asked.exchange and header.initiator == asked.initiator,
                seconds, nat)
            if answer:
                return answer
        return None

    def silence(self, nat=None, seconds=0.05):
        """Fails when anything came that is not ESP; to be called once what might have caused it
        must have been dealt with."""
        self.lab.settle()
        found = list(self.arrivals(seconds, nat))
        expect(not found, f"answered: {[data.hex() for data in found[:2]]}")

    # IKE_SA_INIT

    def ike_proposal(self, **changes):
        return codec.proposal(
            [*self.cipher.transforms, (PRF, 5), (DH, self.exchange.group)], **changes)

    def init_payloads(self, is_first=True):
        nonce = self.nonce_i if is_first else self.nonce_r
        return [codec.sa(self.ike_proposal()), codec.ke(self.exchange.group, self.key_pair.public),
                codec.nonce(nonce), *self.nat_detection()]

    def nat_detection(self):
        """Hashes of the addresses as they are (RFC 7296 §2.23)."""
        def digest(address, port):
            return hashlib.sha1(self.spi_i + self.spi_r + socket.inet_aton(address)
                                + port.to_bytes(2, "big")).digest()
        return [codec.notify(codec.NAT_SOURCE, digest(self.address, 500)),
                codec.notify(codec.NAT_DESTINATION, digest(GATEWAY, 500))]

    def init_request(self, payloads=None, extra=(), **changes):
        """A right IKE_SA_INIT request; `extra` payloads come first."""
        self.nonce_i = self.nonce_i or os.urandom(32)
        payloads = self.init_payloads() if payloads is None else payloads
        fields = {"responder": bytes(8), "exchange": IKE_SA_INIT, "flags": INITIATOR,
                  "message_id": 0, **changes}
        return codec.message(self.spi_i, payloads=[*extra, *payloads], **fields)

    def begin(self, request=None):
        """IKE_SA_INIT from its first message to the keys; follows a COOKIE."""
        request = request or self.init_request()
        answer = self.ask(request, tries=2)
        expect(answer, "no answer to IKE_SA_INIT")
        read = codec.read_header(answer)
        payloads = codec.read_chain(read.first, answer[28:])
        if codec.COOKIE in codec.notifies(payloads):
            return self.begin(self.init_request(
                extra=[codec.notify(codec.COOKIE, payloads[0].notify[3])]))
        expect(not [kind for kind in codec.notifies(payloads) if kind < 16384],
               f"IKE_SA_INIT was refused: {codec.notifies(payloads)}")
        self.spi_r = read.responder
        self.nonce_r = codec.one(payloads, NONCE).body
        group, public = codec.read_ke(codec.one(payloads, KE))
        expect(group == self.exchange.group, f"a public value of group {group}")
        self.init_messages = request, answer
        self._derive(self.key_pair.shared(public))
        self.is_on_nat_port = True
        self.next_id = 1
        return self

    def _derive(self, shared):
        self.keys = Keys(self.cipher, shared, self.nonce_i + self.nonce_r, self.spi_i + self.spi_r)

    # Protected messages

    @property
    def own_cipher(self):
        return self.keys.from_initiator if self.is_initiator else self.keys.from_responder

    @property
    def other_cipher(self):
        return self.keys.from_responder if self.is_initiator else self.keys.from_initiator

    def seal(self, exchange, payloads, message_id=None, is_response=False, **changes):
        """A protected message. Payloads may be a list, or (type of the first, bytes)."""
        kind, inner = payloads if isinstance(payloads, tuple) else codec.chain(payloads)
        pad = changes.pop("padding", None)
        if pad is None:
            pad = bytes(-(len(inner) + 1) % self.cipher.block)
        pad_length = changes.pop("pad_length", len(pad))
        return self.seal_plaintext(exchange, kind, inner + pad + bytes([pad_length]), message_id,
                                   is_response, **changes)

    def seal_plaintext(self, exchange, kind, plaintext, message_id=None, is_response=False,
                       outer=(), iv=None, **changes):
        """A protected message of which even the padding is given. `outer` payloads stand in clear
        before it; SPIs, flags and version may be changed."""
        overhead = self.cipher.iv_octets + self.cipher.icv_octets
        first, clear = codec.chain(list(outer), last=SK)
        sk = codec.Payload(SK, b"", following=kind, length=4 + overhead + len(plaintext))
        _, sk_header = codec.chain([sk])
        flags = changes.get("flags", (INITIATOR if self.is_initiator else 0)
                            | (RESPONSE if is_response else 0))
        length = 28 + len(clear) + 4 + overhead + len(plaintext)
        aad = codec.header(
            changes.get("initiator", self.spi_i), changes.get("responder", self.spi_r), exchange,
            flags, self.next_id if message_id is None else message_id, first, length,
            changes.get("version", 0x20)) + clear + sk_header
        return aad + self.own_cipher.seal(aad, plaintext, iv)

    def open(self, data):
        """The payloads in a protected message; fails when it is not authentic or not well formed."""
        read = codec.read_header(data)
        expect(read.length == len(data), f"length field {read.length} of {len(data)}")
        expect(read.version == 0x20, f"version {read.version:x}")
        expect(bool(read.flags & INITIATOR) != self.is_initiator, "the I flag is wrong")
        outer = codec.read_chain(read.first, data[28:])
        expect(outer and outer[-1].kind == SK, "the message is not encrypted")
        sealed = outer[-1]
        plaintext = self.other_cipher.open(data[:len(data) - len(sealed.body)], sealed.body)
        expect(plaintext is not None, "the message is not authentic")
        end = len(plaintext) - 1 - plaintext[-1]
        return codec.read_chain(sealed.following, plaintext[:end])

    def exchange_of(self, exchange, payloads, seconds=1.0, tries=2, **changes):
        """A protected request and the payloads of its answer."""
        message_id = changes.get("message_id", self.next_id)
        request = self.seal(exchange, payloads, **changes)
        answer = self.ask(request, seconds, tries)
        expect(answer, "no answer to a protected request")
        if message_id == self.next_id:
            self.next_id += 1
        self.last_request, self.last_answer = request, answer
        return self.without_window(self.open(answer))

    def without_window(self, payloads):
        """The payloads but for SET_WINDOW_SIZE, which may stand in any answer."""
        for payload in payloads:
            if payload.kind == NOTIFY and payload.notify[0] == codec.SET_WINDOW_SIZE:
                self.window = int.from_bytes(payload.notify[3], "big")
                expect(len(payload.notify[3]) == 4 and self.window > 0, "a window of nothing")
                return [other for other in payloads if other is not payload]
        return payloads

    def inform(self, *payloads, **options):
        return self.exchange_of(INFORMATIONAL, list(payloads), **options)

    def expect_alive(self):
        """The IKE SA answers an empty INFORMATIONAL by an empty one (RFC 7296 §1.4)."""
        found = self.inform()
        expect(found == [], f"a sign of life was answered by {found}")

    def expect_dead(self):
        """The IKE SA is gone: what is said to it gets no protected answer."""
        answer = self.ask(self.seal(INFORMATIONAL, []), seconds=0.2)
        if answer:
            outer = codec.read_chain(codec.read_header(answer).first, answer[28:])
            expect(outer and all(payload.kind == NOTIFY for payload in outer)
                   and codec.errors(outer) == [codec.INVALID_IKE_SPI], "the IKE SA is alive")

    # IKE_AUTH

    def signed_octets(self, id_payload, is_own=True):
        """RFC 7296 §2.15: the message, the other's nonce, and the MACed identity."""
        is_initiators = self.is_initiator == is_own
        real = self.init_messages[0 if is_initiators else 1]
        other_nonce = self.nonce_r if is_initiators else self.nonce_i
        key = self.keys.pi if is_initiators else self.keys.pr
        return real + other_nonce + prf(key, id_payload.body) + self.int_auth

    def esp_proposal(self, spi, extra=(), **changes):
        transforms = [*self.esp.transforms, (ESN, 0), *extra]
        return codec.proposal(transforms, protocol=PROTOCOL_ESP, spi=spi, **changes)

    def child_payloads(self, spi, tsi=None, tsr=None):
        return [codec.sa(self.esp_proposal(spi)),
                tsi or codec.selectors(TSI, codec.network(self.inner_network)),
                tsr or codec.selectors(TSR, codec.network(GATEWAY_NETWORK))]

    def auth_payloads(self, **changes):
        """IDi, IDr, AUTH, SA, TSi, TSr; any of them may be given, or left out by None."""
        id_payload = changes.get("id", codec.identity(IDI, self.identity))
        proof = changes.get("auth", codec.auth(psk_auth(
            self.secret, self.signed_octets(id_payload)))) if id_payload else None
        self.spi_in = changes.get("spi", os.urandom(3) + b"\x77")
        id_r = changes.get("id_r", codec.identity(IDR, GATEWAY_IDENTITY.encode()))
        child = changes.get("child", self.child_payloads(self.spi_in))
        return [payload for payload in [id_payload, id_r, proof, *child] if payload]

    def authenticate(self, **changes):
        """IKE_AUTH from its request to the first child."""
        found = self.exchange_of(IKE_AUTH, self.auth_payloads(**changes))
        self.verify(found, IDR)
        self.take_child(found, self.spi_in)
        return self

    def verify(self, payloads, kind):
        """The other end is who it should be, and has the secret."""
        expect(AUTH in [payload.kind for payload in payloads],
               f"no AUTH; notifies {codec.notifies(payloads)}")
        id_payload = codec.one(payloads, kind)
        expect(id_payload.body[4:] == GATEWAY_IDENTITY.encode(), "another identity")
        proof = psk_auth(self.secret, self.signed_octets(id_payload, is_own=False))
        expect(codec.one(payloads, AUTH).body == b"\x02\0\0\0" + proof, "the gateway's AUTH is wrong")

    def take_child(self, payloads, inbound_spi, nonces=None, shared=b""):
        protocol, spi, _ = codec.read_proposal(codec.one(payloads, SA))
        expect(protocol == PROTOCOL_ESP and len(spi) == 4, f"an SPI of {len(spi)} octets")
        keys = self.keys.child(self.esp, nonces or self.nonce_i + self.nonce_r, shared)
        self.children.append(Child(self.esp, self, inbound_spi, spi, keys))
        return self.children[-1]

    # CREATE_CHILD_SA

    def create_child(self, *extra, **options):
        """A further child, or with REKEY_SA in `extra` one for another."""
        own_nonce, spi = os.urandom(32), os.urandom(3) + b"\x78"
        child = options.pop("child", None) or self.child_payloads(spi)
        payloads = [*extra, child[0], codec.nonce(own_nonce), *child[1:]]
        found = self.exchange_of(CREATE_CHILD_SA, payloads, **options)
        if SA in [payload.kind for payload in found]:
            self.is_initiator_of_child = True
            self.take_child(found, spi, own_nonce + codec.one(found, NONCE).body)
        return found

    def rekey_child(self):
        old = self.children[-1]
        return self.create_child(codec.notify(
            codec.REKEY_SA, protocol=PROTOCOL_ESP, spi=old.inbound_spi))

    def rekey_ike(self):
        """RFC 7296 §1.3.2 and §2.18; what follows belongs to the new IKE SA."""
        pair, own_nonce, spi = self.exchange(), os.urandom(32), os.urandom(8)
        found = self.exchange_of(CREATE_CHILD_SA, [
            codec.sa(self.ike_proposal(spi=spi)), codec.nonce(own_nonce),
            codec.ke(self.exchange.group, pair.public)])
        _, other_spi, _ = codec.read_proposal(codec.one(found, SA))
        shared = pair.shared(codec.read_ke(codec.one(found, KE))[1])
        keys = Keys(self.cipher, shared, own_nonce + codec.one(found, NONCE).body,
                    spi + other_spi, old=self.keys.d)
        expect(self.inform(codec.delete(PROTOCOL_IKE)) == [], "a Delete is answered by nothing")
        self.keys, self.spi_i, self.spi_r, self.next_id = keys, spi, other_spi, 0
        self.window = 1
        self.is_initiator = True

    # ESP

    def echo_request(self, number, source=None, target=GATEWAY_INNER, octets=32):
        return IP(src=source or self.inner, dst=target) / ICMP(
            type=8, id=self.number, seq=number) / Raw(os.urandom(octets))

    def inner_packets(self, seconds):
        """What the gateway sends by any child, opened."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.nat.settimeout(left)
            try:
                data = self.nat.recv(65600)
            except TimeoutError:
                return
            for child in self.children:
                if data[:4] == child.inbound_spi and (packet := child.open(data)):
                    yield packet

    def echo(self, child=None, seconds=1.0):
        """Whether an echo request through the child is answered through any."""
        self.echo_number = getattr(self, "echo_number", 0) + 1
        request = self.echo_request(self.echo_number)
        self.send_raw((child or self.children[-1]).seal(request))
        return any(ICMP in packet and packet[ICMP].type == 0
                   and packet[ICMP].seq == self.echo_number
                   and bytes(packet[Raw]) == bytes(request[Raw])
                   for packet in self.inner_packets(seconds))

    def expect_echo(self, child=None):
        # The gateway's packet path may hear of the child a moment after the peer does.
        if not any(self.echo(child, seconds) for seconds in (0.1, 0.3, 1.0)):
            raise Failure(f"{self.name}: no echo through the tunnel")

    def expect_no_echo(self, child=None):
        expect(not self.echo(child, seconds=0.15), "an echo came through a dead tunnel")

    # As responder

    def await_init(self, seconds=3.0):
        """Waits for the gateway's IKE_SA_INIT; returns its payloads."""
        self.is_initiator = self.is_initiator_of_child = False
        request = self.receive(lambda header: header.exchange == IKE_SA_INIT
                               and not header.is_response, seconds, nat=False)
        expect(request, "the gateway began nothing")
        read = codec.read_header(request)
        self.spi_i, self.init_seen = read.initiator, request
        payloads = codec.read_chain(read.first, request[28:])
        self.nonce_i = codec.one(payloads, NONCE).body
        self.group_seen, self.public_seen = codec.read_ke(codec.one(payloads, KE))
        return payloads

    def init_answer(self, payloads=None, **changes):
        """A right answer to the gateway's IKE_SA_INIT."""
        fields = {"responder": self.spi_r, "exchange": IKE_SA_INIT, "flags": RESPONSE,
                  "message_id": 0, **changes}
        if payloads is None:
            payloads = self.init_payloads(is_first=False)
        return codec.message(self.spi_i, payloads=payloads, **fields)

    def answer_init(self, **changes):
        """Answers rightly, and has the keys."""
        self.spi_r, self.nonce_r = os.urandom(8), os.urandom(32)
        answer = self.init_answer(**changes)
        self.init_messages = self.init_seen, answer
        self.send(answer, nat=False)
        self._derive(self.key_pair.shared(self.public_seen))
        self.is_on_nat_port = True

    def await_request(self, seconds=2.0):
        """The next protected request: (header, payloads)."""
        request = self.receive(lambda header: not header.is_response
                               and header.exchange != IKE_SA_INIT, seconds)
        expect(request, "no request came")
        self.request_seen = request
        return codec.read_header(request), self.open(request)

    def answer(self, read, payloads, **changes):
        self.send(self.seal(read.exchange, payloads, message_id=read.message_id, is_response=True,
                            **changes))

    def auth_answer(self, seen, **changes):
        """IDr, AUTH, SA, TSi, TSr in answer to the gateway's IKE_AUTH."""
        id_payload = changes.get("id", codec.identity(IDR, self.identity))
        proof = changes.get("auth", codec.auth(psk_auth(
            self.secret, self.signed_octets(id_payload))))
        self.spi_in = os.urandom(3) + b"\x79"
        child = changes.get("child", [
            codec.sa(self.esp_proposal(self.spi_in)),
            codec.selectors(TSI, codec.network(GATEWAY_NETWORK)),
            codec.selectors(TSR, codec.network(self.inner_network))])
        self.seen = seen
        return [payload for payload in [id_payload, proof, *child] if payload]

    def answer_auth(self, **changes):
        """From the gateway's IKE_AUTH to the first child."""
        read, seen = self.await_request()
        self.verify(seen, IDI)
        self.answer(read, self.auth_answer(seen, **changes))
        self.take_child(seen_with_one_proposal(seen, self), self.spi_in)
        self.next_id = 0
        return self


class DualPeer(Peer):
    """A peer whose tunnel carries both IP versions: everything, or UDP to one port of the gateway's
    side, and fragments of it where both ends say so (RFC 7296 §1.3.1)."""

    def __init__(self, lab, number, port=None, takes_fragments=True):
        super().__init__(lab, number)
        self.port = port
        self.takes_fragments = takes_fragments and port is not None
        # Selectors of what it reaches through the gateway.
        self.beyond = []
        self.inner6 = inner_network6(number).replace("::/64", "::1")

    def child_payloads(self, spi, tsi=None, tsr=None):
        own, gateways = {}, {}
        if self.port:
            own, gateways = {"protocol": 17}, {"protocol": 17, "ports": (self.port, self.port)}
        payloads = super().child_payloads(
            spi,
            codec.selectors(TSI, codec.network(self.inner_network, **own),
                            codec.network6(inner_network6(self.number), **own)),
            codec.selectors(TSR, codec.network(GATEWAY_NETWORK, **gateways),
                            codec.network6(GATEWAY_NETWORK6, **gateways), *self.beyond))
        if self.takes_fragments:
            payloads.append(codec.notify(codec.NON_FIRST_FRAGMENTS_ALSO))
        return payloads


def seen_with_one_proposal(payloads, peer):
    """The gateway's offer cut to the proposal that `peer` chose."""
    offer = codec.one(payloads, SA)
    spi = offer.body[8:12]
    return [codec.sa(peer.esp_proposal(spi))]
