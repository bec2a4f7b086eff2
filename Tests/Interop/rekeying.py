"""Rekeying under traffic, often and by every cause: no packet is lost by it."""

import time

from Tests.Interop.collisions import settled
from Tests.Interop.common import connect, ping_both_ways
from Tests.Interop.exchanges import Counted, ike_spis, spis
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

IKE_SUITES = (
    "aes256gcm16-prfsha256-ecp256", "aes256gcm16-prfsha384-ecp384",
    "aes256gcm16-prfsha256-modp2048", "aes128-sha256-modp3072", "chacha20poly1305-prfsha512-x25519",
)
ESP_SUITES = ("aes128-sha256", "chacha20poly1305", "aes256-sha512", "aes256gcm16-ecp256")


def register(table):
    for cause, line in (("packets", "lifetime-packets: 700"), ("bytes", "lifetime-bytes: 160KiB")):
        table.add(f"rekey/by-{cause}-again-and-again", again_and_again, line=line)
    table.add("rekey/child-ten-times-by-peer", ten_times, what="child")
    table.add("rekey/ike-ten-times-by-peer", ten_times, what="ike")
    for suite in IKE_SUITES:
        table.add(f"rekey/ike/{suite}", with_suite, tunnel=Tunnel(ike=suite), what="ike")
    for suite in ESP_SUITES:
        table.add(f"rekey/child/{suite}", with_suite, tunnel=Tunnel(esp=suite), what="child")
    table.add("rekey/child-over-ipv6", with_suite, tunnel=Tunnel(outer=6), what="child")
    table.add("rekey/ike-over-ipv6", with_suite, tunnel=Tunnel(outer=6), what="ike")
    table.add("rekey/everything-at-both-ends", everything)


def again_and_again(lab, line):
    """Cygnet replaces the child every second or so."""
    lab.needs_cygnet()
    tunnel = Tunnel()
    lab.right.apply(tunnel, LEFT)
    lab.left.apply(tunnel, RIGHT, tunnel=[line])
    lab.left.initiate()
    wait_until(lab.right.established, "the peer has the child")
    seen, traffic = set(), Counted(lab)
    try:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            seen |= spis(lab)
            time.sleep(0.1)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    expect(len(seen) >= 3, f"{len(seen)} children in five seconds")
    settled(lab)
    ping_both_ways(lab, tunnel)


def ten_times(lab, what):
    connect(lab, Tunnel())
    now = spis if what == "child" else ike_spis
    traffic = Counted(lab)
    try:
        for _ in range(10):
            before = now(lab)
            lab.right.rekey_child() if what == "child" else lab.right.rekey_ike()
            wait_until(lambda: now(lab) and not now(lab) & before, f"the new {what} SA")
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    ping_both_ways(lab, Tunnel())


def with_suite(lab, tunnel, what):
    """The new keys come of the same suite, and the old SA goes."""
    connect(lab, tunnel)
    now = spis if what == "child" else ike_spis
    before = now(lab)
    traffic = Counted(lab)
    try:
        time.sleep(0.2)
        lab.right.rekey_child() if what == "child" else lab.right.rekey_ike()
        wait_until(lambda: now(lab) and not now(lab) & before, f"the new {what} SA")
        time.sleep(0.3)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    ping_both_ways(lab, tunnel)


def everything(lab):
    """Children by packets and by time at both ends, the IKE SA by the peer, for eight seconds."""
    lab.needs_cygnet()
    tunnel = Tunnel(child_rekey_seconds=5)
    lab.right.apply(tunnel, LEFT, child={"rekey_time": "3s", "life_time": "60s"}.items())
    lab.left.apply(tunnel, RIGHT, tunnel=["lifetime-packets: 1500"])
    lab.left.initiate()
    wait_until(lab.right.established, "the peer has the child")
    traffic = Counted(lab)
    try:
        for _ in range(4):
            time.sleep(2)
            lab.right.begin("rekey", ike="net")
        time.sleep(0.5)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    settled(lab)
    ping_both_ways(lab, tunnel)
