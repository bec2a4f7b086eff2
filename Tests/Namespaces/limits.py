"""Packets of every size: too big, cut, clamped, and whole files through the tunnel."""

import hashlib
import os
import re
import socket
import threading

from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import INSIDE, LEFT, RIGHT
from Tests.Lab.processes import expect, status_of
from Tests.Lab.tunnel import Tunnel

TCP_MAXSEG = 2


def register(table):
    for version in (4, 6):
        table.add(f"size/too-big-ipv{version}", too_big, version=version)
        table.add(f"size/file-ipv{version}", file, version=version)
    table.add("size/fragments", fragments)
    table.add("size/mss-clamped", mss)
    table.add("size/largest-datagram", largest)
    table.add("size/sweep", sweep)


def connected(lab, **extra):
    tunnel = Tunnel(inner=(4, 6))
    lab.right.apply(tunnel, LEFT)
    lab.left.apply(tunnel, RIGHT, **extra)
    lab.left.initiate()


def too_big(lab, version):
    """A host behind the gateway sends what does not fit and is told what would."""
    connected(lab)
    inside = lab.inside()
    _, output = status_of(*inside.command(
        "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1452",
        RIGHT.inner[version]))
    told = re.search(r"mtu[ =](\d+)", output)
    expect(told, f"nobody was told: {output}")
    mtu = int(told.group(1))
    expect(1280 <= mtu < 1480, f"told an MTU of {mtu}")
    headers = 28 if version == 4 else 48
    # strongSwan's own device has an MTU of 1400.
    size = min(mtu, 1400) - headers
    expect_ping(inside, INSIDE[version], RIGHT.inner[version], size=size, may_be_cut=False)


def fragments(lab):
    """Without the don't-fragment bit, IPv4 is cut rather than refused."""
    connected(lab)
    expect_ping(lab.inside(), INSIDE[4], RIGHT.inner[4], size=4000, may_be_cut=True)


def receive_file(listener, result):
    try:
        stream, _ = listener.accept()
    except OSError:
        return  # nobody connected; the sender says why
    digest = hashlib.sha256()
    with stream:
        result["segment"] = stream.getsockopt(socket.IPPROTO_TCP, TCP_MAXSEG)
        while data := stream.recv(65536):
            digest.update(data)
    result["digest"] = digest.hexdigest()


def send_file(lab, version, namespace, source, size):
    """Sends random bytes by TCP to the right; returns what arrived there and what should have."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    content = os.urandom(size)
    result = {}
    with lab.network.right.socket(family, socket.SOCK_STREAM) as listener, \
            namespace.socket(family, socket.SOCK_STREAM) as stream:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((RIGHT.inner[version], 7700))
        listener.listen()
        listener.settimeout(3)
        thread = threading.Thread(target=receive_file, args=(listener, result))
        thread.start()
        stream.settimeout(20)
        stream.bind((source, 0))
        stream.connect((RIGHT.inner[version], 7700))
        stream.sendall(content)
        stream.shutdown(socket.SHUT_WR)
        thread.join(20)
    return result, hashlib.sha256(content).hexdigest()


def file(lab, version):
    """Four megabytes by TCP, from a host behind the gateway and from the gateway itself."""
    connected(lab)
    for namespace, source in ((lab.inside(), INSIDE[version]),
                              (lab.network.left, LEFT.inner[version])):
        result, digest = send_file(lab, version, namespace, source, 4 << 20)
        expect(result.get("digest") == digest, f"from {source}: the file arrived changed: {result}")


def mss(lab):
    """The peer of a host behind the gateway is offered segments that fit."""
    connected(lab, tunnel=["mtu: 1300"])
    result, _ = send_file(lab, 4, lab.inside(), INSIDE[4], 1000)
    expect(result["segment"] <= 1260, f"segments of {result['segment']} bytes for an MTU of 1300")


def largest(lab):
    """No datagram on the wire is larger than the link's MTU, whatever is sent."""
    connected(lab)
    with Capture(lab.network.left, "wan") as capture:
        send_file(lab, 4, lab.network.left, LEFT.inner[4], 1 << 20)
    sizes = [frame.ip_length for frame in capture.of("esp-in-udp", "fragment", outgoing=True)]
    expect(sizes and max(sizes) <= 1500, f"a datagram of {max(sizes, default=0)} bytes")
    expect(max(sizes) > 1400, f"the largest datagram has only {max(sizes)} bytes")


def sweep(lab):
    """Every size around the edges of a block and of the MTU arrives whole."""
    connected(lab)
    with lab.network.right.udp(RIGHT.inner[4], 7701) as receiver, \
            lab.network.left.udp(LEFT.inner[4]) as sender:
        receiver.settimeout(1)
        for size in list(range(1, 70)) + list(range(1300, 1372)):
            content = os.urandom(size)
            sender.sendto(content, (RIGHT.inner[4], 7701))
            expect(receiver.recv(2000) == content, f"{size} bytes arrived changed")
