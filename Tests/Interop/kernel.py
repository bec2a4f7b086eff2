"""Against the Linux kernel's own ESP and AH, in a guest, with strongSwan as its key exchange."""

import contextlib
import hashlib
import os
import socket

from Tests.Interop.common import connect, expect_suite, ping_both_ways
from Tests.Lab.capture import Capture
from Tests.Lab.cases import Skip
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import GUEST, LEFT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.suites import expect_agreed
from Tests.Lab.tunnel import Tunnel

RAW_SUITES = (
    "aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha384",
    "aes256-sha512", "aes128ccm16", "aes256ctr-sha256", "aes128-aesxcbc", "aes128-aescmac",
    "aes256gcm8", "aes128gmac", "aes256gmac",
)
ESN_SUITES = ("aes256gcm16-esn", "chacha20poly1305-esn", "aes128-sha256-esn", "aes256-sha512-esn",
              "aes192gmac-esn")


def register(table):
    """All in one laboratory, for the guest takes its time to boot."""
    def add(name, action, /, **parameters):
        table.add(name, action, lane="first", **parameters)

    for suite in RAW_SUITES + ESN_SUITES:
        add(f"kernel/esp/{suite}", tunnel_case,
            tunnel=Tunnel(esp=suite, encapsulation="esp"), initiator="left")
    add("kernel/respond/aes256gcm16", tunnel_case,
        tunnel=Tunnel(encapsulation="esp"), initiator="peer")
    add("kernel/respond/aes256gcm16-esn", tunnel_case,
        tunnel=Tunnel(esp="aes256gcm16-esn", encapsulation="esp"), initiator="peer")
    add("kernel/udp", tunnel_case, tunnel=Tunnel(), initiator="left")
    add("kernel/udp-esn", tunnel_case, tunnel=Tunnel(esp="aes128gcm16-esn"), initiator="left")
    add("kernel/automatic", tunnel_case, tunnel=Tunnel(encapsulation="auto"), initiator="left")
    for outer in (4, 6):
        for inner in (4, 6):
            if (outer, inner) != (4, 4):
                add(f"kernel/ipv{inner}-in-ipv{outer}", tunnel_case, initiator="left",
                    tunnel=Tunnel(outer=outer, inner=(inner,), encapsulation="esp"))
    for protocol in ("esp", "ah"):
        for mode in ("tunnel", "transport"):
            if (protocol, mode) == ("esp", "tunnel"):  # every other case is that
                continue
            for version in (4, 6):
                for numbers in ("esn", "noesn"):
                    suite = "aes256gcm16" if protocol == "esp" else "sha256"
                    add(f"kernel/{protocol}-{mode}/ipv{version}-{numbers}", carriage_case,
                        protocol=protocol, mode=mode, version=version,
                        suite=f"{suite}-esn" if numbers == "esn" else suite)
    for suite in ("sha384", "sha512", "aesxcbc", "aescmac"):
        for version in (4, 6):
            add(f"kernel/ah-transport/ipv{version}-{suite}", carriage_case, protocol="ah",
                mode="transport", version=version, suite=suite)
    for encapsulation in ("esp", "udp"):
        add(f"kernel/respond/esp-transport-{encapsulation}", carriage_case, protocol="esp",
            mode="transport", version=4, suite="aes128-sha256", initiator="peer",
            encapsulation=encapsulation)
    add("kernel/respond/ah-transport", carriage_case, protocol="ah", mode="transport", version=6,
        suite="sha512-esn", initiator="peer")
    for mode in ("tunnel", "transport"):
        for initiator in ("left", "peer"):
            add(f"kernel/compression/{mode}-{initiator}", compression_case, mode=mode,
                initiator=initiator)
    add("kernel/rekey-child", rekey_child)
    add("kernel/large-packets", large_packets)
    add("kernel/spread", spread)
    add("kernel/padding/ours", padding_of_ours)
    add("kernel/padding/the-kernels", padding_of_the_kernel)


def tunnel_case(lab, tunnel, initiator):
    lab_peer = lab.kernel()
    if lab.is_reference and (tunnel.encapsulation != "udp" or "esn" in tunnel.esp):
        raise Skip("strongSwan's userspace ESP has neither raw ESP nor ESN")
    with Capture(lab.network.left, "wan") as capture:
        connect(lab, tunnel, initiator, lab_peer)
        expect_suite(lab_peer, tunnel)
        ping_both_ways(lab, tunnel, lab_peer)
        for version in tunnel.inner:
            lab.guest.expect_ping(lab_peer.site.inner[version], LEFT.inner[version])
    kind = "esp-in-udp" if tunnel.encapsulation == "udp" else "esp"
    expect(capture.of(kind), f"no {kind} on the wire: {capture.counts()}")
    expect(not capture.unprotected(), f"in clear on the wire: {capture.unprotected()[:5]}")


def rekey_child(lab):
    lab.needs_cygnet()
    peer = connect(lab, Tunnel(encapsulation="esp"), "left", lab.kernel())
    before = {child["spi-in"] for child in peer.established()}
    peer.rekey_child()
    wait_until(lambda: peer.established()
               and not before & {child["spi-in"] for child in peer.established()}, "the new SA")
    ping_both_ways(lab, Tunnel(), peer)


def large_packets(lab):
    """Inner packets larger than one ESP packet carries arrive, in fragments of their own."""
    lab.needs_cygnet()
    peer = connect(lab, Tunnel(encapsulation="esp"), "left", lab.kernel())
    expect_ping(lab.network.left, LEFT.inner[4], peer.site.inner[4], size=3000,
                may_be_cut=True)


def spread(lab):
    """Packets of one SA that several threads seal leave in the order of their numbers, which windows of 32
    packets, as charon gives the kernel, can do with."""
    lab.needs_cygnet()
    peer = lab.kernel()
    tunnel = Tunnel(encapsulation="esp", esp="aes128-sha256")
    lab.left.apply(tunnel, peer.site, tunnel=("spread: true",), gateway=("cipher-threads: 2",))
    peer.apply(tunnel, LEFT)
    lab.left.initiate()
    wait_until(lambda: peer.established() and lab.left.established(), "both have the child")
    with Capture(lab.network.left, "wan") as capture:
        for _ in range(2):
            transfer(lab, LEFT.inner[4], peer.site.inner[4])
        capture.stop()
    numbers = {}
    for frame in capture.of("esp", outgoing=True):
        numbers.setdefault(frame.payload[:4], []).append(int.from_bytes(frame.payload[4:8], "big"))
    expect(sum(map(len, numbers.values())) > 1000, f"{len(numbers)} SAs carried too little")
    for spi, found in numbers.items():
        expect(found == list(range(1, len(found) + 1)), f"numbers of {spi.hex()}: {found}")
    expect(lab.left.status()["workers"][0]["helped"] > 0, "nobody helped")


def sizes_of_pings(lab, peer, from_guest):
    """Pings of many sizes, and TCP; the lengths on the wire, ours and the peer's."""
    with Capture(lab.network.left, "wan") as capture:
        for size in (16, 56, 500, 1200):
            expect_ping(lab.network.left, LEFT.inner[4], peer.site.inner[4], size=size)
            if from_guest:
                lab.guest.expect_ping(peer.site.inner[4], LEFT.inner[4], size=size)
    transfer(lab, LEFT.inner[4], peer.site.inner[4])
    expect(not capture.unprotected(), f"in clear on the wire: {capture.unprotected()[:5]}")
    return [{frame.ip_length for frame in capture.of("esp", outgoing=outgoing)}
            for outgoing in (True, False)]


def padding_of_ours(lab):
    """The kernel takes packets with padding, and drops those without content."""
    lab.needs_cygnet()
    peer = lab.kernel()
    tunnel = Tunnel(encapsulation="esp")
    lab.left.apply(tunnel, peer.site, tunnel=["pad-to: mtu", "dummy-packets: 100"])
    peer.apply(tunnel, LEFT)
    lab.left.initiate()
    sent, came = sizes_of_pings(lab, peer, from_guest=False)
    expect(len(sent) == 1 and max(sent) >= 1400, f"ours have {sorted(sent)} octets")
    expect(len(came) > 3, f"the kernel's have {sorted(came)} octets")

    def is_counted():
        # Of one SA: the guest replaces it each second or so, and the next one begins at none.
        expect_ping(lab.network.left, LEFT.inner[4], peer.site.inner[4], count=8)
        flow = lab.left.established()[0]["trafficFlow"]
        return flow["dummiesSent"] > 10 and flow["paddingBytes"] > 8000
    wait_until(is_counted, "packets without content, and padding, are counted", 20)
    # Of its own errors it counts none but, if at all, packets without content.
    expect_ping(lab.network.left, LEFT.inner[4], peer.site.inner[4])


def padding_of_the_kernel(lab):
    """What the kernel pads (tfcpad) comes out as it went in."""
    lab.needs_cygnet()
    peer = lab.kernel()
    tunnel = Tunnel(encapsulation="esp")
    lab.left.apply(tunnel, peer.site)
    peer.apply(tunnel, LEFT, child={"tfc_padding": "mtu"})
    lab.left.initiate()
    wait_until(lambda: peer.established(), "the peer has the child")
    expect("tfcpad" in lab.guest.run("ip xfrm state"), "the kernel does not pad")
    sent, came = sizes_of_pings(lab, peer, from_guest=True)
    expect(len(came) == 1 and max(came) >= 1400, f"the kernel's have {sorted(came)} octets")
    expect(len(sent) > 3, f"ours have {sorted(sent)} octets")
    expect(not {"malformedInner", "badPadding"} & set(lab.left.drops()),
           f"drops: {lab.left.drops()}")


def carriage_case(lab, protocol, mode, version, suite, initiator="left", encapsulation="auto"):
    """Transport mode and AH: pings of every size and TCP, and the kernel says what was agreed."""
    lab.needs_cygnet()
    peer = lab.kernel()
    is_transport = mode == "transport"
    own, other = ((LEFT.outer, GUEST.outer) if is_transport
                  else (LEFT.inner, GUEST.inner))
    tunnel = Tunnel(outer=version, inner=(version,), encapsulation=encapsulation,
                    esp=suite if protocol == "esp" else None)
    if is_transport:
        tunnel = tunnel.but(left_networks=(LEFT.outer[version],),
                            right_networks=(GUEST.outer[version],))
    lines = ["mode: transport"] if is_transport else []
    child = {"mode": mode}
    if protocol == "ah":
        lines.append(f"ah-proposals: {suite}")
        child.update(ah_proposals=[suite], esp_proposals=[])
    lab.left.apply(tunnel, peer.site, tunnel=lines)
    peer.apply(tunnel, LEFT, child=child)
    with Capture(lab.network.left, "wan") as capture:
        (lab.left if initiator == "left" else peer).initiate()
        wait_until(lambda: peer.established() and lab.left.established(), "both have the child")
        agreed = peer.established()[-1]
        expect_agreed(suite, agreed, is_ike=False)
        expect(agreed["mode"].lower() == mode and agreed["protocol"].lower() == protocol,
               f"the peer says {agreed['protocol']} in {agreed['mode']} mode")
        expect_ping(lab.network.left, own[version], other[version])
        lab.guest.expect_ping(other[version], own[version])
        transfer(lab, own[version], other[version])
    kind = "ah" if protocol == "ah" else "esp-in-udp" if encapsulation == "udp" else "esp"
    expect(capture.of(kind), f"no {kind} on the wire: {capture.counts()}")
    expect(not capture.of("clear"), f"in clear on the wire: {capture.of('clear')[:5]}")
    # Larger than the link, both ways.
    expect_ping(lab.network.left, own[version], other[version], size=3000, may_be_cut=True)


def compression_case(lab, mode, initiator):
    """IPComp as both agree on it (RFC 7296 §2.22), before and after a rekey."""
    lab.needs_cygnet()
    peer = lab.kernel()
    tunnel = Tunnel(encapsulation="esp")
    own, other = LEFT.inner[4], GUEST.inner[4]
    lines = ["compression: deflate"]
    if mode == "transport":
        own, other = LEFT.outer[4], GUEST.outer[4]
        tunnel = tunnel.but(left_networks=(own,), right_networks=(other,))
        lines.append("mode: transport")
    lab.left.apply(tunnel, peer.site, tunnel=lines)
    peer.apply(tunnel, LEFT, child={"mode": mode, "ipcomp": "yes"})

    def carried():
        with Capture(lab.network.left, "wan") as capture:
            expect_ping(lab.network.left, own, other, size=1000)
        lengths = [frame.ip_length for frame in capture.of("esp")]
        expect(lengths and all(length < 700 for length in lengths), f"on the wire: {lengths}")

    (lab.left if initiator == "left" else peer).initiate()
    wait_until(lambda: peer.established() and lab.left.established(), "both have the child")
    agreed = peer.established()[-1]
    expect(int(agreed.get("cpi-in", "0"), 16) and int(agreed.get("cpi-out", "0"), 16),
           f"the peer says {agreed}")
    carried()
    transfer(lab, own, other)
    before = {child["inboundSPI"] for child in lab.left.established()}
    peer.rekey_child()

    # The one of before stays a while, and packets leave by it until the peer has used the new one. It
    # compresses little now, for what was transferred does not get smaller.
    def leaves_by_the_new():
        expect_ping(lab.network.left, own, other)
        return any(child["outbound"]["packets"] for child in lab.left.established()
                   if child["inboundSPI"] not in before)

    wait_until(leaves_by_the_new, "packets leave by the new SA")
    carried()


SERVER = """
import hashlib, socket
listener = socket.socket(socket.{family}, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("{address}", {port}))
listener.listen()
listener.settimeout(60)
stream, _ = listener.accept()
listener.close()
digest = hashlib.sha256()
while True:
    part = stream.recv(65536)
    if not part:
        break
    digest.update(part)
stream.sendall(digest.digest() * 4096)
stream.close()
"""


def transfer(lab, own, other, octets=1 << 20, port=9997):
    """TCP to the guest and back: it says the digest of what came, often enough for full segments."""
    family = "AF_INET6" if ":" in own else "AF_INET"
    text = SERVER.format(family=family, address=other, port=port)
    lab.guest.run(f"cat > /tmp/server.py <<'END'\n{text}END\n"
                  "setsid python3 /tmp/server.py >/tmp/server.out 2>&1 </dev/null &")
    data = os.urandom(octets)

    def connected():
        stream = lab.network.left.socket(getattr(socket, family), socket.SOCK_STREAM)
        stream.settimeout(10)
        stream.bind((own, 0))
        try:
            stream.connect((other, port))
        except OSError:
            stream.close()
            return None
        return stream

    with contextlib.closing(wait_until(connected, "the guest listens", 30, every=0.1)) as stream:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while part := stream.recv(1 << 16):
            answer += part
    expect(answer == hashlib.sha256(data).digest() * 4096, "TCP brought other octets than were sent")
