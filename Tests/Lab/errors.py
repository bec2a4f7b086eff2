"""ICMP errors: a router behind the left gateway that sends them, and a socket that hears them."""

import contextlib
import os
import socket
import struct
import time

from Tests.Lab.namespaces import Namespace
from Tests.Lab.processes import run

# A router behind the left gateway that no selector covers.
INNER_ROUTER = {4: "10.9.9.9", 6: "fd00:9::9"}
# A host that the inner router has no way to.
LOST = {4: "10.1.0.77", 6: "fd00:1::77"}


def raw_sender(namespace, version):
    """A socket that sends whole IP packets."""
    return namespace.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_RAW,
                            socket.IPPROTO_RAW)


class Told:
    """Hears every ICMP error that reaches a namespace."""

    def __init__(self, namespace, version):
        self.version = version
        self.socket = namespace.socket(*(
            (socket.AF_INET, socket.SOCK_RAW, 1) if version == 4
            else (socket.AF_INET6, socket.SOCK_RAW, 58)))
        self.socket.settimeout(0.1)

    def errors(self, seconds=0.5, enough=None):
        """(who sent it, type, source and target port of the quoted packet) of what came in the time, or
        until it is enough."""
        found, until = [], time.monotonic() + seconds
        while time.monotonic() < until and len(found) != enough:
            try:
                octets, sender = self.socket.recvfrom(2000)
            except TimeoutError:
                continue
            message = octets[20:] if self.version == 4 else octets
            is_error = message[0] in (3, 4, 5, 11, 12) if self.version == 4 else message[0] < 128
            if is_error:
                ports = struct.unpack_from("!HH", message + bytes(60),
                                           8 + (20 if self.version == 4 else 40))
                found.append((sender[0], message[0], *ports))
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@contextlib.contextmanager
def router_inside(lab):
    """A router behind the left gateway, with addresses that no selector covers."""
    router = Namespace(f"cygnet{os.getpid()}-beyond")
    left = lab.network.left
    try:
        run("ip", "-n", left.name, "link", "add", "beyond", "type", "veth", "peer", "name", "outer",
            "netns", router.name)
        left.ip("link", "set", "beyond", "up")
        router.ip("link", "set", "outer", "up")
        for version, length in ((4, 24), (6, 64)):
            nodad = ["nodad"] if version == 6 else []
            here = INNER_ROUTER[version][:-1] + "1"
            left.ip("addr", "add", f"{here}/{length}", "dev", "beyond", *nodad)
            router.ip("addr", "add", f"{INNER_ROUTER[version]}/{length}", "dev", "outer", *nodad)
            router.ip(f"-{version}", "route", "add", "default", "via", here)
            router.ip(f"-{version}", "route", "add", "unreachable", LOST[version])
            left.ip(f"-{version}", "route", "add", LOST[version], "via", INNER_ROUTER[version])
        yield router
    finally:
        run("ip", "-n", left.name, "link", "del", "beyond", check=False)
        router.delete()
