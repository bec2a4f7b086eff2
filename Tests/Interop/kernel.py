"""Against the Linux kernel's own ESP, in a guest, with strongSwan as its key exchange."""

from Tests.Interop.common import connect, expect_suite, ping_both_ways
from Tests.Lab.capture import Capture
from Tests.Lab.cases import Skip
from Tests.Lab.network import LEFT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.traffic import expect_ping
from Tests.Lab.tunnel import Tunnel

RAW_SUITES = (
    "aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha384",
    "aes256-sha512", "aes128ccm16", "aes256ctr-sha256", "aes128-aesxcbc", "aes128-aescmac",
    "aes256gcm8",
)
ESN_SUITES = ("aes256gcm16-esn", "chacha20poly1305-esn", "aes128-sha256-esn", "aes256-sha512-esn")


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
    add("kernel/rekey-child", rekey_child)
    add("kernel/large-packets", large_packets)


def tunnel_case(lab, tunnel, initiator):
    lab_peer = lab.kernel()
    if lab.is_reference and (tunnel.encapsulation != "udp" or "esn" in tunnel.esp):
        raise Skip("strongSwan's userspace ESP has neither raw ESP nor ESN")
    with Capture(lab.network.left, "wan") as capture:
        connect(lab, tunnel, initiator, lab_peer)
        expect_suite(lab_peer, tunnel)
        ping_both_ways(lab, tunnel, lab_peer)
        for version in tunnel.inner:
            lab.guest.run(f"ping -n -c 2 -i 0.1 -W 1 -I {lab_peer.site.inner[version]} "
                          f"{LEFT.inner[version]}")
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
                extra=("-M", "dont"))
