"""Network namespaces: made, entered for a socket, deleted."""

import contextlib
import ctypes
import os
import socket
import threading

from Tests.Lab.processes import run

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_entering = threading.Lock()


def _set_namespace(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """One network namespace with its loopback up and no path filter in the way."""

    SYSCTLS = {
        "net.ipv4.ip_forward": 1,
        "net.ipv6.conf.all.forwarding": 1,
        "net.ipv4.conf.all.rp_filter": 0,
        "net.ipv4.conf.default.rp_filter": 0,
        "net.ipv6.conf.default.accept_dad": 0,
        "net.ipv4.tcp_congestion_control": "reno",
        # A test that waits for an error would else depend on how many the cases before it caused.
        "net.ipv4.icmp_ratelimit": 0,
        "net.ipv4.icmp_msgs_per_sec": 1000000,
        "net.ipv4.icmp_msgs_burst": 1000000,
        "net.ipv6.icmp.ratelimit": 0,
    }

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.sysctl(**self.SYSCTLS)
        self.ip("link", "set", "lo", "up")

    def sysctl(self, **values):
        with self.entered():
            for key, value in values.items():
                with contextlib.suppress(FileNotFoundError):
                    with open("/proc/sys/" + key.replace(".", "/"), "w") as file:
                        file.write(str(value))

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    def command(self, *words):
        """The command that runs `words` in here."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in the namespace for the duration of the block."""
        with _entering:
            home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                _set_namespace(there)
                yield
            finally:
                _set_namespace(home)
                os.close(there)
                os.close(home)

    def socket(self, *arguments):
        """A socket that lives in the namespace."""
        with self.entered():
            return socket.socket(*arguments)

    def udp(self, address, port=0):
        """A bound UDP socket for the address's family."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self.socket(family, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        return made

    def delete(self):
        run("ip", "netns", "del", self.name, check=False)
