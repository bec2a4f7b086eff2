"""Peers with several addresses and with names, and peers that lose their SAs."""

import time

from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.names import NameServer
from Tests.Lab.network import LEFT, RIGHT, ROUTER_LEFT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

BRIEF = ["retransmission: {initial: 300ms, factor: 1.2, tries: 3}"]
NOBODY = "198.51.100.77"


def register(table):
    table.add("peers/several-addresses-in-order", in_order)
    table.add("peers/by-name", by_name)
    table.add("peers/by-name-under-a-tunnel-to-everywhere", by_name, everything=True)
    table.add("peers/name-moves", name_moves)
    table.add("peers/unknown-name", unknown_name)
    table.add("peers/reload-with-a-name", reload_with_name)
    table.add("restart/killed-and-started, the other end sends", restarted, sender="right")
    table.add("restart/killed-and-started, this end sends", restarted, sender="left")


def at(lab, address):
    """Writes another address of the peer."""
    with open(lab.left.file) as file:
        text = file.read()
    with open(lab.left.file, "w") as file:
        file.write(text.replace(f"address: '{RIGHT.outer[4]}'", f"address: {address}"))


def started(lab, address, tunnel=Tunnel(start="traffic"), **extra):
    lab.right.apply(tunnel, LEFT)
    lab.left.stop()
    lab.left.write(tunnel, RIGHT, connection=BRIEF, **extra)
    at(lab, address)
    lab.left.start()


def in_order(lab):
    started(lab, f"[{NOBODY}, {RIGHT.outer[4]}]", Tunnel(start="boot"))
    wait_until(lab.left.established, "the second address answers", 5)
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def by_name(lab, everything=False):
    """Also where the name server lies behind the tunnel, as a tunnel to everywhere has it."""
    tunnel = Tunnel(start="traffic")
    if everything:
        tunnel = tunnel.but(right_networks=("0.0.0.0/0",))
    with NameServer(lab.network.router, ROUTER_LEFT[4], lab.network.left,
                    {"right.cygnet.test": [RIGHT.outer[4]]}) as server:
        started(lab, "right.cygnet.test", tunnel)
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)
        asked = len(server.questions)
        time.sleep(7)
        expect(len(server.questions) > asked, "the name was not looked up again")


def name_moves(lab):
    with NameServer(lab.network.router, ROUTER_LEFT[4], lab.network.left,
                    {"right.cygnet.test": [NOBODY]}, seconds=1) as server:
        started(lab, "right.cygnet.test", Tunnel(start="boot"))
        time.sleep(0.5)
        expect(not lab.left.established(), "a tunnel to nobody")
        server.names["right.cygnet.test"] = [RIGHT.outer[4]]
        wait_until(lab.left.established, "the peer is found where its name is now", 12)


def unknown_name(lab):
    with NameServer(lab.network.router, ROUTER_LEFT[4], lab.network.left, {}):
        started(lab, "nobody.cygnet.test", Tunnel())
        status, text = lab.left.try_initiate()
        expect(status != 0 and "nobody.cygnet.test" in text, f"it says: {text}")


def reload_with_name(lab):
    """The resolver works in a process that has given up its privileges, with servers of its own."""
    with NameServer(lab.network.router, ROUTER_LEFT[4], lab.network.left,
                    {"right.cygnet.test": [RIGHT.outer[4]]}):
        started(lab, NOBODY, Tunnel(start="boot"))
        with open(lab.left.file) as file:
            text = file.read()
        with open(lab.left.file, "w") as file:
            file.write(text.replace(f"address: {NOBODY}", "address: right.cygnet.test"))
        lab.left.namespace.run(lab.left.program, "reload", "--socket", lab.left.socket)
        wait_until(lab.left.established, "the tunnel begins to the new address", 10)


def restarted(lab, sender):
    """A gateway that lost everything has traffic again within ten seconds, whoever sends."""
    tunnel = Tunnel(start="traffic")
    lab.right.apply(tunnel, LEFT)
    lab.left.apply(tunnel, RIGHT)
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)
    lab.left.kill()
    lab.left.start()
    begun = time.monotonic()
    ends = [(lab.network.left, LEFT), (lab.network.right, RIGHT)]
    (namespace, own), (_, other) = ends if sender == "left" else reversed(ends)
    wait_until(lambda: ping(namespace, own.inner[4], other.inner[4], count=1, wait=0.3) == 1,
               "traffic passes again", 10)
    expect(time.monotonic() - begun < 10, "too late")
