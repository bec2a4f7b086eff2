"""Manual keys (RFC 4301 §4.5.1) against the Linux kernel in a guest, keyed by hand as well: every
transform that both have and that keys may stay with, ESP and AH, in both modes, over and in both IP
versions. One guest serves all of it."""

import contextlib
import os
import re

from Tests.Interop.kernel import transfer
from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import GUEST, LEFT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

# In the configuration's words: the kernel's name, octets of key, bits of ICV.
CIPHERS = {
    "aes128": ("cbc(aes)", 16), "aes192": ("cbc(aes)", 24), "aes256": ("cbc(aes)", 32),
    "3des": ("cbc(des3_ede)", 24), "null": ("ecb(cipher_null)", 0),
}
MACS = {
    "md5": ("hmac(md5)", 16, 96), "sha1": ("hmac(sha1)", 20, 96),
    "sha256": ("hmac(sha256)", 32, 128), "sha384": ("hmac(sha384)", 48, 192),
    "sha512": ("hmac(sha512)", 64, 256), "aesxcbc": ("xcbc(aes)", 16, 96),
    "aescmac": ("cmac(aes)", 16, 96),
}
ESP_SUITES = (
    "aes128-md5", "aes128-sha1", "aes128-sha256", "aes192-sha384", "aes256-sha512",
    "aes256-aesxcbc", "aes192-aescmac", "3des-sha1", "3des-sha256", "null-sha256", "null-aescmac",
)
# Those that carry each IP version over the other as well.
ACROSS = {"aes128-sha256", "3des-sha1", "null-aescmac", "sha512", "aesxcbc"}
WEAK = {"3des", "md5", "sha1"}
# What ours and what the kernel's packets carry.
OUT, IN = 0x5A01, 0x5A02
# What ties the kernel's policies to their SAs; charon counts its own from one.
REQUEST = 4711


def register(table):
    """All in the laboratory that has the guest."""
    def add(name, action, /, **parameters):
        table.add(f"kernel/manual/{name}", action, lane="first", **parameters)

    for protocol, suites in (("esp", ESP_SUITES), ("ah", tuple(MACS))):
        for suite in suites:
            for outer in (4, 6):
                add(f"{protocol}-transport/ipv{outer}/{suite}", carries, protocol=protocol,
                    suite=suite, mode="transport", outer=outer, inner=outer)
                for inner in (4, 6):
                    if inner != outer and suite not in ACROSS:
                        continue
                    add(f"{protocol}-tunnel/ipv{inner}-in-ipv{outer}/{suite}", carries,
                        protocol=protocol, suite=suite, mode="tunnel", outer=outer, inner=inner)
    for mode in ("tunnel", "transport"):
        add(f"udp-{mode}/aes256-sha256", carries, protocol="esp", suite="aes256-sha256",
            mode=mode, outer=4, inner=4, encapsulation="udp")
    for outer, inner in ((4, 4), (4, 6), (6, 4), (6, 6)):
        add(f"path-mtu-shrinks/ipv{inner}-in-ipv{outer}", path_shrinks, outer=outer, inner=inner)
    for version in (4, 6):
        for mode in ("tunnel", "transport"):
            add(f"compression/{mode}-ipv{version}", compresses, mode=mode, outer=version,
                inner=version)
    add("tcp", tcp)
    add("numbers-begin-again", numbers_begin_again)
    add("numbers-wrap", numbers_wrap)
    add("wrong-key", wrong_key)
    add("beside-ike", beside_ike)


class Association:
    """A pair of manual SAs at both ends: its keys, the gateway's configuration, the kernel's state."""

    def __init__(self, lab, protocol="esp", suite="aes256-sha256", mode="tunnel", outer=4, inner=4,
                 encapsulation="esp", compression=False):
        self.compression = compression
        self.lab, self.protocol, self.suite, self.mode = lab, protocol, suite, mode
        self.encapsulation = encapsulation
        self.own, self.other = LEFT.outer[outer], GUEST.outer[outer]
        sites = (LEFT.outer, GUEST.outer) if mode == "transport" else (LEFT.inner, GUEST.inner)
        self.source, self.target = (site[inner] for site in sites)
        self.cipher, _, self.mac = suite.rpartition("-")
        self.keys = {way: (os.urandom(CIPHERS[self.cipher][1]) if self.cipher else b"",
                           os.urandom(MACS[self.mac][1])) for way in ("in", "out")}

    # The gateway

    def connection(self, name="manual"):
        """The lines of the configuration, whose key files are written with them."""
        weak = ["    allow-weak: true"] if WEAK & set(self.suite.split("-")) else []
        lines = [
            f"  {name}:", "    keys: manual", f"    local: '{self.own}'",
            f"    remote: '{self.other}'", f"    encapsulation: {self.encapsulation}", *weak,
            "    tunnels:", "      net:", f"        local: '{self.source}'",
            f"        remote: '{self.target}'", f"        mode: {self.mode}",
            f"        {self.protocol}-proposals: {self.suite}",
            *(["        compression: deflate"] if self.compression else [])]
        for way, spi in (("in", IN), ("out", OUT)):
            words = [f"spi: {spi:#x}"]
            for kind, key in zip(("encryption", "integrity"), self.keys[way]):
                if key:
                    words.append(f"{kind}-key-file: {self.key_file(way, kind, key)}")
            lines.append(f"        {way}: {{{', '.join(words)}}}")
        return lines

    def key_file(self, way, kind, key):
        path = os.path.join(self.lab.left.folder, f"{way}.{kind}")
        with open(path, "w", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
            file.write(f"0x{key.hex()}\n")
        return path

    def start(self):
        left = self.lab.left
        left.stop()
        with open(left.file, "w") as file:
            file.write("\n".join([
                "gateway:", f"  control-socket: {left.socket}", "connections:",
                *self.connection()]) + "\n")
        left.start()

    # The kernel

    def state(self, way, more=""):
        """The command that makes the kernel's SA for what we call `way`."""
        ends = (self.own, self.other) if way == "out" else (self.other, self.own)
        spi = OUT if way == "out" else IN
        cipher, mac = self.keys[way]
        name, _, bits = MACS[self.mac]
        # The kernel has IPComp as an SA of its own, which is the tunnel where there is one.
        mode = "transport" if self.compression else self.mode
        words = [f"ip xfrm state add src {ends[0]} dst {ends[1]} proto {self.protocol} "
                 f"spi {spi:#x} reqid {REQUEST} mode {mode}"]
        if self.cipher:
            words.append(f"enc '{CIPHERS[self.cipher][0]}' "
                         + (f"0x{cipher.hex()}" if cipher else "''"))
        words.append(f"auth-trunc '{name}' 0x{mac.hex()} {bits}")
        # Without them, the kernel takes inner packets of its outer version alone, and pads AH over IPv4
        # to eight octets, where RFC 4302 §3.3.3.2.1 has four.
        flags = ["af-unspec"] if (":" in self.own) != (":" in self.source) else []
        if self.protocol == "ah" and ":" not in self.own:
            flags.append("align4")
        if flags:
            words.append(f"flag {' '.join(flags)}")
        if self.encapsulation == "udp":
            words.append("encap espinudp 4500 4500 0.0.0.0")
        command = " ".join([*words, more])
        if self.compression:
            # RFC 3173 §3.3: of the numbers that need no agreement, that of DEFLATE.
            command += (f" && ip xfrm state add src {ends[0]} dst {ends[1]} proto comp spi 2 "
                        f"reqid {REQUEST + 1} mode {self.mode} comp deflate")
        return command

    def template(self, ends, direction):
        def one(protocol, reqid, mode, level="required"):
            return (f"tmpl src {ends[0]} dst {ends[1]} proto {protocol} reqid {reqid} mode {mode} "
                    f"level {level}")
        if not self.compression:
            return one(self.protocol, REQUEST, self.mode)
        # What comes may have been too short for compression.
        level = "use" if direction == "in" else "required"
        return (one("comp", REQUEST + 1, self.mode, level) + " "
                + one(self.protocol, REQUEST, "transport"))

    def policies(self):
        return [
            f"ip xfrm policy add dir {direction} src {source} dst {target} {self.template(ends, direction)}"
            for direction, source, target, ends in (
                ("out", self.target, self.source, (self.other, self.own)),
                ("in", self.source, self.target, (self.own, self.other)))]

    @contextlib.contextmanager
    def in_kernel(self, more=""):
        """Keys the kernel for the time of the block; `more` is for the SA that it sends by."""
        guest = self.lab.guest
        try:
            guest.run(" && ".join([self.state("out"), self.state("in", more), *self.policies()]))
            yield
        finally:
            guest.run("ip xfrm policy flush; ip xfrm state flush")

    # Both

    def pings(self, size=56, count=2):
        expect_ping(self.lab.network.left, self.source, self.target, count, size=size,
                    may_be_cut=True)

    def guest_pings(self, size=56, count=2):
        self.lab.guest.expect_ping(self.target, self.source, count, size, may_be_cut=True)

    def kernel_counts(self):
        """Packets by SPI, as the kernel counts."""
        text = self.lab.guest.run("ip -s xfrm state")
        return {int(spi, 16): int(packets) for spi, packets in re.findall(
            r"spi (0x[0-9a-f]+).*?lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)", text, re.S)}


def prepare(lab, **wanted):
    lab.needs_cygnet()
    lab.kernel()
    return Association(lab, **wanted)


def carries(lab, **wanted):
    """Packets pass both ways, whole and as fragments of both ends, and the kernel says by which SA."""
    association = prepare(lab, **wanted)
    association.start()
    kind = ("esp-in-udp" if association.encapsulation == "udp" else association.protocol)
    with association.in_kernel(), Capture(lab.network.left, "wan") as capture:
        association.pings()
        association.guest_pings()
        association.pings(size=3000)
        association.guest_pings(size=3000)
        counts = association.kernel_counts()
    expect(capture.of(kind), f"no {kind} on the wire: {capture.counts()}")
    expect(not capture.of("clear"), f"in clear on the wire: {capture.of('clear')[:5]}")
    expect(counts.get(OUT, 0) >= 8 and counts.get(IN, 0) >= 8, f"the kernel's SAs carried {counts}")


def compresses(lab, mode, outer, inner):
    """IPComp with the kernel's: what gets smaller goes compressed, both ways, and what does not goes as it
    is. The kernel counts packets of its IPComp, and the wire shows their lengths."""
    association = prepare(lab, mode=mode, outer=outer, inner=inner, compression=True)
    association.start()
    with association.in_kernel(), Capture(lab.network.left, "wan") as capture:
        association.pings(size=1000)  # ping's own filling repeats itself
        association.guest_pings(size=1000)
        association.pings()
        association.guest_pings()
        compressed = association.lab.guest.run("ip -s xfrm state list proto comp")
        transfer(lab, association.source, association.target)
        association.pings(size=3000)
    lengths = [frame.ip_length for frame in capture.of("esp")][:8]
    expect(lengths and all(length < 700 for length in lengths), f"on the wire: {lengths}")
    expect(not capture.of("clear"), f"in clear on the wire: {capture.of('clear')[:5]}")
    counts = [int(count) for count in re.findall(r"(\d+)\(packets\)", compressed)]
    expect(sum(1 for count in counts if count >= 4) >= 2, f"the kernel counts {compressed}")
    counted = lab.left.established()[0]["compression"]
    expect(counted["sent"] >= 4 and counted["received"] >= 4 and counted["savedSending"] > 2000
           and counted["savedReceiving"] > 2000, f"the status says {counted}")
    expect("decompressionFailed" not in lab.left.drops(), f"{lab.left.drops()}")


def path_shrinks(lab, outer, inner):
    """A router comes to carry less and says so: senders inside are told what fits, and the kernel's
    answers, whose ESP is as large, come back in fragments."""
    association = prepare(lab, outer=outer, inner=inner)
    association.start()

    def path_mtu():
        return association.lab.left.established()[0]["pathMTU"]

    def large(wait=0.3):
        """Pings in packets of 1380 octets, which pass as they are at first."""
        size = 1380 - (28 if inner == 4 else 48)
        return ping(lab.network.left, association.source, association.target, count=2, size=size,
                    wait=wait, may_be_cut=False)

    with association.in_kernel():
        expect(large(wait=5) == 2 and path_mtu() == 1500, f"at first {path_mtu()}")
        lab.network.router.ip("link", "set", "lan", "mtu", "1380")
        try:
            wait_until(lambda: large() == 0 and path_mtu() == 1380, "the router's word")
            expect(large() == 0, "a packet passed that nothing carries")
            expect_ping(lab.network.left, association.source, association.target, size=1200,
                        may_be_cut=False)
            association.pings(size=2000)
        finally:
            lab.network.router.ip("link", "set", "lan", "mtu", "1500")


def tcp(lab):
    """A megabyte to the kernel, and as much back, whole."""
    association = prepare(lab)
    association.start()
    with association.in_kernel():
        transfer(lab, association.source, association.target)


def numbers_begin_again(lab):
    """After either end restarts, its numbers begin again from one, and are taken (RFC 4303 §3.3.3)."""
    association = prepare(lab)
    association.start()
    with association.in_kernel():
        association.pings(count=5)
        association.start()
        association.pings(count=3)
    with association.in_kernel():
        association.pings(count=3)
        association.guest_pings(count=3)
    drops = lab.left.drops()
    expect("replayed" not in drops, f"dropped: {drops}")


def numbers_wrap(lab):
    """The kernel's 32-bit numbers begin again from zero when they are used up."""
    association = prepare(lab)
    association.start()
    with association.in_kernel("replay-oseq 0xfffffffb extra-flag oseq-may-wrap"):
        association.pings(count=10)
    inbound = lab.left.established()[0]["inbound"]["packets"]
    expect(inbound == 10, f"{inbound} of 10 packets came in")


def wrong_key(lab):
    """A key that differs at the two ends: nothing passes, and the status says why."""
    association = prepare(lab)
    association.start()
    association.keys["in"] = (association.keys["in"][0], os.urandom(32))
    with association.in_kernel():
        received = ping(lab.network.left, association.source, association.target, wait=0.3)
        expect(received == 0, f"{received} pings answered")
        wait_until(lambda: lab.left.drops().get("authenticationFailed"), "authentication failures")
        expect(not lab.left.drops().get("authenticationFailed", 0) > 2, f"{lab.left.drops()}")


def beside_ike(lab):
    """Manual keys for one network and IKE for another, to the same peer; each goes on when the other's
    SAs are replaced."""
    association = prepare(lab)
    peer = lab.kernel()
    tunnel = Tunnel(inner=(6,), encapsulation="esp")
    lab.left.apply(tunnel, peer.site, top=association.connection())
    peer.apply(tunnel, LEFT)
    with association.in_kernel():
        lab.left.initiate()
        wait_until(lambda: peer.established() and lab.left.established(), "both have the child")
        association.pings()
        expect_ping(lab.network.left, LEFT.inner[6], GUEST.inner[6])
        lab.left.delete_ike()
        association.pings()
        association.guest_pings()
