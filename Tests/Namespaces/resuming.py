"""IKE SAs that were lost and come back with a ticket (RFC 5723)."""

import os

from Tests.Lab.cygnet import Cygnet
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

BRIEF = ["retransmission: {initial: 300ms, factor: 1.2, tries: 3}"]
TICKETS = [*BRIEF, "resumption: true"]
TUNNEL = Tunnel(liveness_seconds=1)


def register(table):
    for name, action in (
            ("gateway-killed-and-started", killed), ("path-fails", path_fails),
            ("off-at-the-gateway", refused), ("down-by-hand", ended)):
        table.add(f"resumption/{name}", between_two, action=action)


def between_two(lab, action):
    """Both ends are Cygnet: the right one gives tickets, which strongSwan does not."""
    lab.right.stop()
    gateway = Cygnet(lab.network.right, RIGHT, os.path.join(lab.folder, "gateway"))
    try:
        gateway.apply(TUNNEL, LEFT, connection=TICKETS)
        lab.left.apply(TUNNEL.but(start="boot"), RIGHT, connection=TICKETS)
        wait_until(lab.left.established, "the tunnel is up", 10)
        expect(not is_resumed(lab.left), "resumed from nothing")
        action(lab, gateway)
    finally:
        gateway.kill()
        gateway.lift_guard()
        lab.right.start()


def is_resumed(end):
    return (end.connection().get("ikeSA") or {}).get("resumed", False)


def expect_resumed(lab, gateway, seconds=30):
    wait_until(lambda: is_resumed(lab.left) and is_resumed(gateway), "both ends resume", seconds)
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)
    for end in (lab.left, gateway):
        expect("IKE SA resumed with a ticket" in end.read_log(), "the log does not say so")


def give_up(lab):
    wait_until(lambda: not lab.left.established(), "the left end gives its peer up", 20)


def killed(lab, gateway):
    """The secret that seals tickets outlives the gateway that gave them."""
    gateway.kill()
    gateway.start()
    expect_resumed(lab, gateway)


def path_fails(lab, gateway):
    lab.network.cut("right")
    give_up(lab)
    lab.network.mend("right")
    expect_resumed(lab, gateway)


def refused(lab, gateway):
    """A gateway that gives no tickets any more: the tunnel comes back from scratch."""
    gateway.kill()
    give_up(lab)
    gateway.write(TUNNEL, LEFT, connection=BRIEF)
    gateway.start()
    wait_until(lab.left.established, "the tunnel is up", 30)
    expect(not is_resumed(lab.left), "resumed where nobody gives tickets")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)


def ended(lab, gateway):
    """What a user ends by hand begins from scratch the next time."""
    lab.left.delete_ike()
    lab.left.initiate()
    wait_until(lab.left.established, "the tunnel is up", 10)
    expect(not is_resumed(lab.left) and not is_resumed(gateway), "a session that was over")
