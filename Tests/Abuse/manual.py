"""Manual keys (RFC 4301 §4.5.1), with Scapy at the other end: no IKE, raw ESP and AH, both ways."""

import os
import socket
import struct
import zlib

from scapy.layers.inet import ICMP, IP
from scapy.layers.ipsec import AH, ESP, SecurityAssociation
from scapy.packet import Raw

from Tests.Abuse.peer import GATEWAY, GATEWAY_INNER, address, inner_network
from Tests.Lab.processes import expect

# In the configuration's words: Scapy's, and octets of key.
CIPHERS = {"aes128": ("AES-CBC", 16), "aes192": ("AES-CBC", 24), "aes256": ("AES-CBC", 32),
           "3des": ("3DES", 24), "null": ("NULL", 0)}
MACS = {"md5": ("HMAC-MD5-96", 16), "sha1": ("HMAC-SHA1-96", 20), "sha256": ("SHA2-256-128", 32),
        "sha384": ("SHA2-384-192", 48), "sha512": ("SHA2-512-256", 64),
        "aescmac": ("AES-CMAC-96", 16)}
# Below the numbers of the other peers; each is a connection.
IN_TUNNELS, TRANSPORTS = 4, (5, 6, 7, 8, 9)
# Its packets may be compressed.
COMPRESSED = 30
TUNNELLED = [("esp", suite) for suite in (
    "aes128-sha256", "aes192-sha384", "aes256-sha512", "aes256-sha1", "aes128-md5",
    "aes256-aescmac", "3des-sha256", "null-sha256")] + [("ah", mac) for mac in MACS]
TRANSPORTED = [("esp", "aes256-sha256"), ("esp", "null-sha512"), ("esp", "3des-sha1"),
               ("ah", "sha256"), ("ah", "sha512")]


def register(add):
    add("manual/tunnel-mode", "RFC 4301 §4.5.1", every, mode="tunnel")
    add("manual/transport-mode", "RFC 4301 §4.5.1", every, mode="transport")
    add("manual/replays-and-zero", "RFC 4303 §3.3.3, §3.4.3", replays)
    add("manual/forgeries", "RFC 4303 §3.4.4", forgeries)
    add("manual/compression", "RFC 3173 §2, §3.3", compression)
    add("manual/compression-bombs", "RFC 3173 §2.1", bombs)


class ManualPair:
    """A pair of SAs; the same in every laboratory and after every restart."""

    def __init__(self, number, place, protocol, suite, mode):
        self.protocol, self.suite, self.mode = protocol, suite, mode
        self.address = address(number)
        self.inner = inner_network(number).replace(".0/24", f".{place + 1}")
        self.spis = {"in": 0x7000 + 2 * (32 * number + place)}
        self.spis["out"] = self.spis["in"] + 1
        self.cipher, _, self.mac = suite.rpartition("-")

    def keys(self, way):
        """Any that differ from pair to pair and from way to way."""
        seed = self.spis[way].to_bytes(2, "big")
        cipher = CIPHERS[self.cipher][1] if self.cipher else 0
        return bytes(range(1, cipher + 1))[2:] + seed * bool(cipher), (seed * 32)[:MACS[self.mac][1]]

    def lines(self, folder):
        """The tunnel's lines of the configuration; writes the key files."""
        is_transport = self.mode == "transport"
        lines = ["compression: deflate"] if self is COMPRESSING else []
        lines += [f"local: {GATEWAY if is_transport else GATEWAY_INNER}",
                 f"remote: {self.address if is_transport else self.inner}",
                 f"mode: {self.mode}", f"{self.protocol}-proposals: {self.suite}"]
        for way in ("in", "out"):
            words = [f"spi: {self.spis[way]}"]
            for kind, key in zip(("encryption", "integrity"), self.keys(way)):
                if not key:
                    continue
                path = os.path.join(folder, f"{self.spis[way]}.{kind}")
                with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                    file.write(f"0x{key.hex()}\n")
                words.append(f"{kind}-key-file: {path}")
            lines.append(f"{way}: {{{', '.join(words)}}}")
        return lines

    def association(self, way):
        """Scapy's SA for what the gateway calls `way`."""
        cipher, mac = self.keys(way)
        ends = (GATEWAY, self.address) if way == "out" else (self.address, GATEWAY)
        options = {"tunnel_header": IP(src=ends[0], dst=ends[1])} if self.mode == "tunnel" else {}
        if self.cipher:
            options.update(crypt_algo=CIPHERS[self.cipher][0], crypt_key=cipher)
        return SecurityAssociation(
            ESP if self.protocol == "esp" else AH, spi=self.spis[way],
            auth_algo=MACS[self.mac][0], auth_key=mac, **options)

    def echo_request(self, number):
        ends = ((self.address, GATEWAY) if self.mode == "transport"
                else (self.inner, GATEWAY_INNER))
        return (IP(src=ends[0], dst=ends[1], ttl=64)
                / ICMP(id=number, seq=1) / Raw(bytes(range(100))))


COMPRESSING = ManualPair(IN_TUNNELS, COMPRESSED, "esp", "aes256-sha256", "tunnel")


def pairs(mode):
    if mode == "tunnel":
        return [ManualPair(IN_TUNNELS, place, *pair, mode) for place, pair in enumerate(TUNNELLED)]
    return [ManualPair(number, 0, *pair, mode) for number, pair in zip(TRANSPORTS, TRANSPORTED)]


def connections(folder):
    """The lines of the configuration."""
    lines = []
    for number in (IN_TUNNELS, *TRANSPORTS):
        lines += [f"  manual-{number}:", "    keys: manual", f"    local: {GATEWAY}",
                  f"    remote: {address(number)}"]
        mine = [COMPRESSING] if number == IN_TUNNELS else []
        mine += [pair for mode in ("tunnel", "transport") for pair in pairs(mode)
                if pair.address == address(number)]
        if any({"3des", "sha1", "md5"} & set(pair.suite.split("-")) for pair in mine):
            lines.append("    allow-weak: true")
        lines.append("    tunnels:")
        for place, pair in enumerate(mine):
            lines += [f"      t{place}:", *(f"        {line}" for line in pair.lines(folder))]
    return lines


class Wire:
    """Raw sockets of the address of a pair, on the right."""

    def __init__(self, lab, pair):
        self.lab, self.pair = lab, pair
        namespace = lab.network.right
        namespace.ip("addr", "add", f"{pair.address}/32", "dev", "wan")
        protocol = 50 if pair.protocol == "esp" else 51
        self.incoming = namespace.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        self.incoming.bind((pair.address, 0))
        self.outgoing = namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.sender, self.receiver = pair.association("in"), pair.association("out")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.incoming.close()
        self.outgoing.close()
        self.lab.network.right.ip("addr", "del", f"{self.pair.address}/32", "dev", "wan")

    def send(self, packet):
        self.outgoing.sendto(bytes(packet), (GATEWAY, 0))

    def seal(self, number, sequence=None):
        return self.sender.encrypt(self.pair.echo_request(number), seq_num=sequence)

    def answer(self, seconds=1.0):
        """The next packet that the gateway sealed, opened; None when none comes."""
        self.incoming.settimeout(seconds)
        try:
            data = self.incoming.recv(4096)
        except TimeoutError:
            return None
        # Scapy leaves what AH covered unread.
        return IP(bytes(self.receiver.decrypt(IP(data))))

    def expect_answer(self, number):
        answer = self.answer()
        expect(answer is not None, f"{self.pair.protocol} {self.pair.suite}: no answer")
        expect(ICMP in answer and answer[ICMP].type == 0 and answer[ICMP].id == number,
               f"{self.pair.protocol} {self.pair.suite}: {answer.summary()}")
        expect(bytes(answer[ICMP].payload)[:100] == bytes(range(100)), "the answer is another")


def every(lab, mode):
    """Each suite: Scapy's packet is opened, and the answer opens with Scapy."""
    for number, pair in enumerate(pairs(mode)):
        with Wire(lab, pair) as wire:
            wire.send(wire.seal(number))
            wire.expect_answer(number)


def replays(lab):
    """A packet that was there, one without a number, and one of before: all are taken."""
    with Wire(lab, pairs("tunnel")[0]) as wire:
        packets = [wire.seal(77, sequence=number) for number in (5, 5, 0, 4_294_967_295, 1)]
        for packet in (packets[0], *packets):
            wire.send(packet)
            wire.expect_answer(77)
    expect(not any(sa["drops"] for connection in lab.status()["connections"]
                   if connection["name"].startswith("manual")
                   for tunnel in connection["tunnels"] for sa in tunnel["securityAssociations"]
                   if "drops" in sa and any(drop["reason"] == "replayed" for drop in sa["drops"])),
           "dropped as replayed")


def forgeries(lab):
    """What another key made, and every octet changed: dropped, and nothing is answered."""
    with Wire(lab, pairs("tunnel")[0]) as wire:
        sealed = bytes(wire.seal(78))
        # The header's checksum is the kernel's to see to; ESP begins behind it.
        forged = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1:]
                  for at in range(24, len(sealed))]

        def send():
            for packet in forged:
                wire.send(packet)
        lab.expect_dropped("authenticationFailed", send, len(forged))
        expect(wire.answer(0.05) is None, "something was answered")
        wire.send(sealed)
        wire.expect_answer(78)


def ipcomp(packet, index=2, inner=4):
    """A packet of IPComp around another, with Python's zlib."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (struct.pack("!BBH", inner, 0, index)
            + compressor.compress(bytes(packet)) + compressor.flush())


def seal_ipcomp(wire, body):
    """ESP around it, as its next header says; Scapy knows nothing of IPComp."""
    pair = wire.pair
    outer = IP(src=pair.address, dst=GATEWAY, proto=108) / Raw(body)
    transport = SecurityAssociation(
        ESP, spi=pair.spis["in"], crypt_algo=CIPHERS[pair.cipher][0],
        crypt_key=pair.keys("in")[0], auth_algo=MACS[pair.mac][0], auth_key=pair.keys("in")[1])
    return transport.encrypt(IP(bytes(outer)))


def open_ipcomp(wire):
    """The next packet that the gateway sealed, and whether it came compressed."""
    pair = wire.pair
    wire.incoming.settimeout(1.0)
    packet = IP(wire.incoming.recv(4096))
    out = pair.keys("out")
    transport = SecurityAssociation(
        ESP, spi=pair.spis["out"], crypt_algo=CIPHERS[pair.cipher][0], crypt_key=out[0],
        auth_algo=MACS[pair.mac][0], auth_key=out[1])
    opened = transport.decrypt(packet)
    body = bytes(opened)[20:]
    if opened.proto != 108:
        expect(opened.proto == 4, f"next header {opened.proto}")
        return IP(body), False
    following, flags, index = struct.unpack("!BBH", body[:4])
    expect((following, flags, index) == (4, 0, 2), f"IPComp's header: {following} {flags} {index}")
    return IP(zlib.decompress(body[4:], -15)), True


def compression(lab):
    """Python's zlib and Scapy's ESP: what gets smaller is compressed, what does not is not."""
    pair = COMPRESSING
    with Wire(lab, pair) as wire:
        for payload, is_smaller in ((b"again and " * 100, True), (os.urandom(1000), False),
                                    (b"short", False)):
            request = (IP(src=pair.inner, dst=GATEWAY_INNER) / ICMP(id=9, seq=1) / Raw(payload))
            for body in (ipcomp(IP(bytes(request))),):
                wire.send(seal_ipcomp(wire, body))
                answer, is_compressed = open_ipcomp(wire)
                expect(ICMP in answer and bytes(answer[ICMP].payload)[:len(payload)] == payload,
                       f"the answer is {answer.summary()}")
                expect(is_compressed == is_smaller, f"compressed: {is_compressed}")
            # RFC 3173 §2.2: what was not compressed has no header of IPComp, and is taken as well.
            wire.send(wire.sender.encrypt(IP(bytes(request))))
            answer, _ = open_ipcomp(wire)
            expect(bytes(answer[ICMP].payload)[:len(payload)] == payload, "the answer is another")


def bombs(lab):
    """More than an IP packet holds, streams with no end, other CPIs, IPComp in IPComp."""
    pair = COMPRESSING
    request = bytes(pair.echo_request(5))
    whole = ipcomp(request)
    bodies = [ipcomp(bytes(1 << 20)), ipcomp(bytes(65_536)), whole[:-3], whole + b"x", whole[:4],
              ipcomp(request, index=3), ipcomp(whole, inner=108),
              struct.pack("!BBH", 4, 0, 2) + os.urandom(200)]
    with Wire(lab, pair) as wire:
        lab.expect_dropped("decompressionFailed",
                           lambda: [wire.send(seal_ipcomp(wire, body)) for body in bodies * 5],
                           5 * len(bodies))
        wire.send(seal_ipcomp(wire, whole))
        answer, _ = open_ipcomp(wire)
        expect(ICMP in answer, "no answer behind it")
