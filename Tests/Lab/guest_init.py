"""The first process of a guest kernel: prepares it, then runs what the host sends over TCP.

A request is one line of JSON, {"run": "shell command"}, answered by {"status", "output"}, or
{"echo": arguments of `ping`}, answered by {"answered": number}. Everything of the host's file system
is there to read; /run and /tmp are the guest's own.
"""

import json
import os
import socket
import subprocess
import sys

# Before /tmp is the guest's own: this may stand below it.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from Tests.Lab.echo import ping

MODULES = ("ipv6 xfrm_user esp4 esp6 xfrm4_tunnel xfrm6_tunnel gcm ghash-generic ctr cbc authenc "
           "authencesn ipcomp ipcomp6 deflate echainiv seqiv sha256_generic sha512_generic chacha20poly1305 ah4 ah6 cmac xcbc")


def shell(command):
    done = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode, done.stdout


def prepare():
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    for line in (
        "mount -t proc proc /proc",
        "mount -t sysfs sys /sys",
        "mount -t tmpfs tmpfs /run",
        "mount -t tmpfs tmpfs /tmp",
        # The packaged modules lie elsewhere than the kernel looks, also when it asks by itself.
        "mkdir -p /run/root/lib/modules",
        "mount --bind /usr/lib/uml/modules /run/root/lib/modules",
        "printf '#!/bin/sh\\nexec /sbin/modprobe -d /run/root \"$@\"\\n' > /run/modprobe",
        "chmod 755 /run/modprobe && sysctl -qw kernel.modprobe=/run/modprobe",
        *(f"/run/modprobe {module}" for module in MODULES.split()),
        "ip link set lo up",
    ):
        shell(line)
    options = dict(word.split("=", 1) for word in open("/proc/cmdline").read().split()
                   if word.startswith("lab_"))
    shell("ip link set vec0 up mtu 1500")
    for key in ("outer4", "outer6", "inner4", "inner6"):
        device = "vec0" if key.startswith("outer") else "lo"
        nodad = "nodad" if key.endswith("6") else ""
        length = 64 if key.endswith("6") else 24
        shell(f"ip addr add {options['lab_' + key]}/{length} dev {device} {nodad}")
    shell(f"ip -4 route add default via {options['lab_gateway4']}")
    shell(f"ip -6 route add default via {options['lab_gateway6']}")
    shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
          "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
    return options["lab_outer4"], int(options["lab_port"])


class Here:
    """The guest's own network, as a namespace."""

    socket = staticmethod(socket.socket)


def answer(request):
    if "echo" in request:
        return {"answered": ping(Here, **request["echo"])}
    status, output = shell(request["run"])
    return {"status": status, "output": output}


def serve(address, port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen()
    while True:
        stream, _ = listener.accept()
        with stream, stream.makefile("rw") as lines:
            request = json.loads(lines.readline())
            lines.write(json.dumps(answer(request)) + "\n")


if __name__ == "__main__":
    if os.getpid() != 1:
        sys.exit("this is the first process of a guest kernel")
    serve(*prepare())
