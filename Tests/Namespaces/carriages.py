"""Transport mode and AH between two gateways: all of it protected, or not sent at all."""

import contextlib
import os
import socket
import threading
import time

from Tests.Lab.capture import Capture
from Tests.Lab.cygnet import Cygnet
from Tests.Lab.echo import expect_ping
from Tests.Lab.frames import Wire, udp_packet
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, status_of
from Tests.Lab.tunnel import Tunnel

PORT = 9998
TRANSPORT = ("mode: transport",)


def register(table):
    for version in (4, 6):
        for encapsulation in ("esp", "udp"):
            tunnel = between(version, encapsulation)
            name = f"carriage/esp-transport/ipv{version}-{encapsulation}"
            table.add(f"{name}/traffic", traffic, tunnel=tunnel, kinds=kinds(encapsulation))
            table.add(f"{name}/killed", killed, tunnel=tunnel)
        for lines, tunnel in ((TRANSPORT, between(version, "auto")),
                              ((), Tunnel(outer=version, inner=(version,), encapsulation="auto",
                                          start="traffic"))):
            mode = "transport" if lines else "tunnel"
            name = f"carriage/ah-{mode}/ipv{version}"
            # What AH carries can be read by anybody, and changed by nobody.
            tunnel = tunnel.but(esp=None)
            lines = (*lines, "ah-proposals: sha256")
            table.add(f"{name}/traffic", traffic, tunnel=tunnel, kinds=("ah",), lines=lines)
            table.add(f"{name}/killed", killed, tunnel=tunnel, lines=lines)


def kinds(encapsulation):
    return ("esp-in-udp",) if encapsulation == "udp" else ("esp",)


def between(version, encapsulation):
    """A tunnel in transport mode: its ends are the gateways."""
    return Tunnel(outer=version, inner=(version,), encapsulation=encapsulation, start="traffic",
                  left_networks=(LEFT.outer[version],), right_networks=(RIGHT.outer[version],))


@contextlib.contextmanager
def two_gateways(lab, tunnel, lines):
    """Cygnet at both ends; the usual peer waits until the block ends."""
    lab.right.stop()
    other = Cygnet(lab.network.right, RIGHT, os.path.join(lab.folder, "right-gateway"))
    try:
        other.apply(tunnel, LEFT, tunnel=lines)
        lab.left.apply(tunnel, RIGHT, tunnel=lines)
        yield other
    finally:
        other.kill()
        other.lift_guard()
        lab.right.start()


def ends(tunnel):
    """The addresses that the tunnel carries packets between."""
    version = tunnel.outer
    is_transport = tunnel.left_networks is not None
    return (LEFT.outer if is_transport else LEFT.inner)[version], (
        RIGHT.outer if is_transport else RIGHT.inner)[version]


def transfer(lab, source, target, octets=4 << 20):
    """Sends octets by TCP from left to right, and back, and compares them."""
    version = 6 if ":" in target else 4
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    listener = lab.network.right.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((target, PORT))
    listener.listen()
    listener.settimeout(10)
    data = os.urandom(octets)

    def echo():
        stream, _ = listener.accept()
        with stream:
            received = bytearray()
            while len(received) < octets:
                part = stream.recv(1 << 16)
                if not part:
                    return
                received += part
            stream.sendall(received)

    thread = threading.Thread(target=echo)
    thread.start()
    try:
        with lab.network.left.socket(family, socket.SOCK_STREAM) as stream:
            stream.settimeout(20)
            stream.bind((source, 0))
            stream.connect((target, PORT))
            stream.sendall(data)
            received = bytearray()
            while len(received) < octets:
                part = stream.recv(1 << 16)
                expect(part, "the stream ended early")
                received += part
    finally:
        listener.close()
        thread.join()
    expect(received == data, "TCP brought other octets than were sent")


def traffic(lab, tunnel, kinds, lines=TRANSPORT):
    """Pings of every size and TCP in both directions; IKE and the SA's protocol alone on the wire."""
    left, right = ends(tunnel)
    with two_gateways(lab, tunnel, lines) as other:
        with Capture(lab.network.left, "wan") as capture:
            expect_ping(lab.network.left, left, right, wait=3)
            expect_ping(lab.network.right, right, left)
            transfer(lab, left, right)
        expect(not capture.unprotected(), f"in clear on the wire: {capture.unprotected()[:5]}")
        expect(capture.of(*kinds), f"none of {kinds} on the wire: {capture.counts()}")
        # Larger than the link: fragments of this host's own, which become one packet.
        expect_ping(lab.network.left, left, right, size=3000,
                    may_be_cut=True)
        expect_ping(lab.network.right, right, left, size=3000,
                    may_be_cut=True)
        for gateway in (lab.left, other):
            child = gateway.established()[0]
            expect(child["inbound"]["packets"] > 0 and child["outbound"]["packets"] > 0,
                   f"an SA that carried nothing: {child}")


def killed(lab, tunnel, lines=TRANSPORT):
    """After kill -9 nothing leaves in clear and nothing that came in clear is let in."""
    left, right = ends(tunnel)
    with two_gateways(lab, tunnel, lines):
        expect_ping(lab.network.left, left, right, wait=3)
        lab.left.kill()
        sender = lab.network.left.udp(left)
        unbound = lab.network.left.udp("::" if ":" in left else "0.0.0.0")
        with Capture(lab.network.left, "wan") as capture:
            for _ in range(20):
                for each in (sender, unbound):
                    with contextlib.suppress(OSError):
                        each.sendto(b"secret", (right, PORT))
                time.sleep(0.01)
            status_of(*lab.network.left.command(
                "ping", "-n", "-c", "2", "-i", "0.05", "-W", "0.3", right))
        for each in (sender, unbound):
            each.close()
        leaked = [frame for frame in capture.unprotected() if frame.is_outgoing]
        expect(not leaked, f"in clear on the wire: {leaked[:5]}")
        with contextlib.closing(lab.network.left.udp(left, PORT)) as listener, \
                Wire(lab.network) as wire:
            listener.settimeout(0.3)
            for _ in range(5):
                wire.send(udp_packet(
                    right, left, 1234, PORT, b"forged"))
            with contextlib.suppress(TimeoutError):
                expect(not listener.recv(100), "a packet in clear was let in")
