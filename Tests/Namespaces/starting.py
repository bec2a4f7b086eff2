"""How a tunnel begins and how a daemon ends."""

import os
import socket
import threading
import time

from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel


def register(table):
    table.add("start/by-hand-waits", by_hand)
    table.add("start/held-packets-arrive", held)
    table.add("start/held-packets-are-bounded", held_bound)
    table.add("start/at-boot-tries-again", at_boot_tries_again)
    table.add("start/down-then-up", down_then_up)
    table.add("stop/in-good-order", stop)
    table.add("stop/interrupted", interrupted)
    table.add("stop/again-and-again", again)
    table.add("systemd/notified", notified)


def by_hand(lab):
    lab.left.apply(Tunnel(), RIGHT)
    lab.right.apply(Tunnel(), LEFT)
    expect(ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=2, wait=0.3) == 0,
           "a tunnel that begins by hand began by itself")
    expect(not lab.right.associations(), "the peer was asked")
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def send_before_the_tunnel(lab, count, **configuration):
    """Sends numbered datagrams while there is no tunnel; returns which of them arrived."""
    lab.right.apply(Tunnel(), LEFT)
    lab.left.apply(Tunnel(start="traffic"), RIGHT, **configuration)
    arrived = []
    with lab.network.right.udp(RIGHT.inner[4], 7777) as receiver, \
            lab.network.left.udp(LEFT.inner[4]) as sender:
        receiver.settimeout(1.0)
        for number in range(count):
            sender.sendto(bytes([number]), (RIGHT.inner[4], 7777))
        while True:
            try:
                arrived.append(receiver.recv(10)[0])
            except TimeoutError:
                return arrived


def held(lab):
    arrived = send_before_the_tunnel(lab, 20)
    expect(arrived == list(range(20)), f"of 20 packets, in this order: {arrived}")


def held_bound(lab):
    arrived = send_before_the_tunnel(lab, 60, gateway=["held-packets: 8"])
    # More may have come when the tunnel was up already; the first of them must have been held.
    expect(0 in arrived, f"the first packet was not held: {arrived}")
    drops = lab.left.drops()
    expect(len(arrived) < 60 or not drops, f"{len(arrived)} of 60 arrived, drops {drops}")


def at_boot_tries_again(lab):
    """The peer is not there yet when the tunnel is to begin."""
    lab.right.apply(Tunnel(), LEFT)
    lab.right.die()
    try:
        lab.left.apply(Tunnel(start="boot"), RIGHT, connection=[
            "retransmission: {initial: 200ms, factor: 1.2, tries: 3}"])
        time.sleep(1.5)
    finally:
        lab.right.restart()
    lab.right.apply(Tunnel(), LEFT)
    wait_until(lab.right.established, "the tunnel begins once the peer is there", 15)


def down_then_up(lab):
    """What was taken down by hand comes up by hand."""
    lab.right.apply(Tunnel(), LEFT)
    lab.left.apply(Tunnel(start="traffic"), RIGHT)
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)
    lab.left.delete_ike()
    wait_until(lambda: not lab.right.associations(), "the peer forgets")
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)


def connected(lab):
    lab.right.apply(Tunnel(), LEFT)
    lab.left.apply(Tunnel(), RIGHT)
    lab.left.initiate()


def stop(lab):
    """The peer is told, the device goes, and the exit status is 0."""
    connected(lab)
    expect("cygnet0" in lab.network.left.ip("link"), "there is no device cygnet0")
    lab.left.stop()
    wait_until(lambda: not lab.right.associations(), "the peer was told", 2)
    expect("cygnet0" not in lab.network.left.ip("link"), "the device cygnet0 stayed")
    routes = lab.network.left.ip("route", "show", "table", "all")
    expect("cygnet0" not in routes, f"routes stayed: {routes}")
    expect(not os.path.exists(lab.left.socket), "the control socket stayed")


def interrupted(lab):
    """Ctrl-C in the foreground is a clean end too."""
    connected(lab)
    status = lab.left.process.stop(how=2)
    expect(status == 0, f"status {status} after Ctrl-C")
    wait_until(lambda: not lab.right.associations(), "the peer was told", 2)


def again(lab):
    """Started and stopped five times in a row, with everything in place each time."""
    connected(lab)
    for _ in range(5):
        lab.left.stop()
        lab.left.start()
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
    rules = lab.network.left.ip("rule").splitlines()
    expect(len(rules) == len(set(rules)), f"rules piled up: {rules}")


def notified(lab):
    """READY=1 when it answers, STOPPING=1 when it ends (sd_notify)."""
    path = os.path.join(lab.folder, "notify")
    said = []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(0.2)
    running = True

    def listen():
        while running:
            try:
                said.append(listener.recv(4096).decode())
            except TimeoutError:
                pass

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        lab.left.write(Tunnel(), RIGHT)
        lab.left.start(environment={"NOTIFY_SOCKET": path})
        wait_until(lambda: any("READY=1" in text for text in said), "READY=1", 2)
        lab.left.stop()
        wait_until(lambda: any("STOPPING=1" in text for text in said), "STOPPING=1", 2)
    finally:
        running = False
        thread.join()
        listener.close()
        os.unlink(path)
