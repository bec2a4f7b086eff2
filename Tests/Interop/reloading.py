"""Another configuration while traffic runs to strongSwan: what need not change does not, what must is
replaced without a gap."""

import time

from Tests.Interop.common import addresses, ping_both_ways
from Tests.Interop.exchanges import Counted, ike_spis, spis
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

TWO_SUITES = Tunnel(ike="aes256gcm16-prfsha256-x25519-ecp256", esp="aes256gcm16-aes128gcm16")
SECOND = [("second", {"local_ts": ["10.2.64.0/24"], "remote_ts": ["10.1.64.0/24"]}.items())]
SECOND_TUNNEL = {"second": ["local: 10.1.64.0/24", "remote: 10.2.64.0/24", "start: at-boot",
                            "esp-proposals: aes256gcm16"]}


def register(table):
    table.add("reload/nothing", change, changed=Tunnel(), extra={})
    table.add("reload/liveness-and-lifetimes", change, changed=Tunnel(liveness_seconds=20),
              extra={"connection": ["keepalive: 30s"], "tunnel": ["lifetime: 2h"]})
    table.add("reload/esp-proposal", change, changed=Tunnel(esp="aes128gcm16"), extra={},
              is_child_new=True)
    table.add("reload/ike-proposal", change, extra={}, is_ike_new=True,
              changed=Tunnel(ike="aes256gcm16-prfsha256-ecp256"))
    table.add("reload/both-proposals", change, extra={}, is_ike_new=True, is_child_new=True,
              changed=Tunnel(ike="aes256gcm16-prfsha256-ecp256", esp="aes128gcm16"))
    table.add("reload/replay-window", change, changed=Tunnel(replay_window=4096), extra={},
              is_child_new=True)
    table.add("reload/wider-network", wider)
    table.add("reload/tunnel-added-and-removed", added_and_removed)
    table.add("reload/twenty-times", twenty_times)


def running(lab, **further):
    lab.needs_cygnet()
    lab.right.apply(TWO_SUITES, LEFT, children=SECOND, **further)
    lab.left.apply(Tunnel(), RIGHT)
    lab.left.initiate()
    wait_until(lab.right.established, "the peer has the child")
    return spis(lab), ike_spis(lab)


def change(lab, changed, extra, is_child_new=False, is_ike_new=False):
    """The peer accepts what was and what comes."""
    child, ike = running(lab)
    traffic = Counted(lab)
    try:
        time.sleep(0.2)
        lab.left.reload(changed, RIGHT, **extra)
        if is_child_new:
            wait_until(lambda: spis(lab) and not spis(lab) & child, "the new child", 8)
        if is_ike_new:
            wait_until(lambda: ike_spis(lab) and not ike_spis(lab) & ike, "the new IKE SA", 8)
        time.sleep(0.4)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    expect(is_child_new or spis(lab) == child, "the child was replaced for nothing")
    expect(is_ike_new or ike_spis(lab) == ike, "the IKE SA was replaced for nothing")
    ping_both_ways(lab, Tunnel())


def wider(lab):
    """More networks of the peer: the SA is rekeyed for all of them, without a gap."""
    with addresses(lab, right=["10.2.64.1"]):
        child, _ = running(lab, child={"local_ts": ["10.2.0.0/24", "10.2.64.0/24"]}.items())
        traffic = Counted(lab)
        try:
            time.sleep(0.2)
            lab.left.reload(Tunnel(right_networks=("10.2.0.0/24", "10.2.64.0/24")), RIGHT)
            wait_until(lambda: spis(lab) and not spis(lab) & child, "the new child", 8)
            time.sleep(0.4)
        finally:
            traffic.stop()
        traffic.expect_none_lost_here()
        expect_ping(lab.network.left, LEFT.inner[4], "10.2.64.1")


def added_and_removed(lab):
    """A second tunnel comes and goes; the first one is not touched."""
    with addresses(lab, ["10.1.64.1"], ["10.2.64.1"]):
        child, ike = running(lab)
        traffic = Counted(lab, 100)
        try:
            lab.left.reload(Tunnel(), RIGHT, tunnels=SECOND_TUNNEL)
            wait_until(lambda: len(lab.right.established()) == 2, "the second child")
            lab.left.reload(Tunnel(), RIGHT)
            wait_until(lambda: spis(lab) == child, "the first child alone")
        finally:
            traffic.stop()
        traffic.expect_none_lost_here()
        expect(ike_spis(lab) == ike, "the IKE SA was replaced for nothing")


def twenty_times(lab):
    """The same file again and again, and each time a line that matters to nobody."""
    child, ike = running(lab)
    traffic = Counted(lab)
    try:
        for number in range(20):
            lab.left.reload(Tunnel(), RIGHT, top=[f"# {number}"])
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    expect(spis(lab) == child and ike_spis(lab) == ike, "something was replaced for nothing")
