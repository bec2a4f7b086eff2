"""A guest with a real Linux kernel (User-mode Linux), because its ESP is a judge of ours and the
host's kernel need not have any. It boots in about two seconds and stands beside `right`."""

import json
import os
import shutil
import signal
import socket

from Tests.Lab.network import GUEST, ROUTER_RIGHT
from Tests.Lab.processes import Background, Failure, expect, run, wait_until
from Tests.Lab.strongswan import CHARON, PLUGINS, SETTINGS, StrongSwan
from Tests.Lab.vici import Vici

AGENT_PORT, VICI_PORT = 4999, 4502
HERE = os.path.dirname(os.path.abspath(__file__))
INIT = os.path.join(HERE, "guest_init.py")


def registers_library(folder):
    """The guest kernel's ptrace, for processors with more registers than it knows."""
    library = os.path.join(folder, "guest_registers.so")
    compiler = shutil.which("cc") or "clang"
    run(compiler, "-shared", "-fPIC", "-O2", "-o", library, os.path.join(HERE, "guest_registers.c"),
        "-ldl")
    return library


class Guest:
    def __init__(self, network, folder):
        self.network = network
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.tap = "to-guest"
        router = network.router
        router.ip("tuntap", "add", "mode", "tap", "name", self.tap)
        network.join_right(self.tap, GUEST)
        launcher = os.path.join(folder, "init")
        with open(launcher, "w") as file:
            file.write("#!/bin/sh\nmount -t devtmpfs dev /dev 2>/dev/null\n"
                       f"exec /usr/bin/python3 {INIT}\n")
        os.chmod(launcher, 0o755)
        addresses = [f"lab_{place}{version}={table[version]}"
                     for place, table in (("outer", GUEST.outer), ("inner", GUEST.inner),
                                          ("gateway", ROUTER_RIGHT))
                     for version in (4, 6)]
        self.process = Background(router.command(
            "linux.uml", "mem=256M", f"umid=cygnet{os.getpid()}", f"uml_dir={folder}/uml/",
            "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={launcher}",
            f"vec0:transport=tap,ifname={self.tap},depth=128,gro=1",
            "con=null", "con0=null,fd:1", "quiet", f"lab_port={AGENT_PORT}", *addresses,
        ), os.path.join(folder, "console"), {
            "TMPDIR": "/dev/shm", "LD_PRELOAD": registers_library(folder)})
        try:
            wait_until(self._answers, "the guest kernel's start", seconds=30, every=0.1)
        except Failure:
            self.close()
            raise

    def connect(self, port, seconds=2.0):
        stream = self.network.router.socket(socket.AF_INET, socket.SOCK_STREAM)
        stream.settimeout(seconds)
        stream.connect((GUEST.outer[4], port))
        return stream

    def _answers(self):
        if not self.process.is_running():
            raise Failure(f"the guest kernel ended:\n{self.process.output()[-2000:]}")
        try:
            return self.run("true") is not None
        except OSError:
            return False

    def ask(self, request, seconds):
        """What the guest's first process answers."""
        with self.connect(AGENT_PORT, seconds) as stream, stream.makefile("rw") as lines:
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            return json.loads(lines.readline())

    def run(self, command, seconds=30.0):
        """Runs a shell command in the guest and returns its output; it must succeed."""
        answer = self.ask({"run": command}, seconds)
        if answer["status"] != 0:
            raise Failure(f"guest: {command}: status {answer['status']}\n{answer['output']}")
        return answer["output"]

    def expect_ping(self, source, target, count=2, size=56, may_be_cut=None):
        """Sends echo requests from the guest; each must be answered. The guest's `ping` is no judge: on
        a busy machine it misses answers that the guest's kernel has counted."""
        options = {"source": source, "target": target, "count": count, "size": size, "wait": 5.0,
                   "may_be_cut": may_be_cut}
        answered = self.ask({"echo": options}, 30.0)["answered"]
        expect(answered == count,
               f"guest: ping {source} → {target}: {answered} of {count} answered")

    def close(self):
        self.process.stop(signal.SIGKILL)
        # User-mode Linux leaves helper threads behind when it is killed: they share its group.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        run("ip", "-n", self.network.router.name, "link", "del", self.tap, check=False)


class GuestStrongSwan(StrongSwan):
    """charon in the guest; its ESP is the guest kernel's."""

    def __init__(self, guest):
        super().__init__(GUEST)
        self.guest = guest
        # The guest's default route serves; its kernel has no routing rules for IPv6.
        settings = SETTINGS.format(
            plugins=PLUGINS.format(kernel="kernel-netlink"), cookie_threshold=0,
            install_routes="no", routing_table=0, more="",
            log="/run/charon.log", socket=f"tcp://{GUEST.outer[4]}:{VICI_PORT}")
        guest.run("cat > /run/strongswan.conf <<'END'\n" + settings + "\nEND\n"
                  f"STRONGSWAN_CONF=/run/strongswan.conf setsid {CHARON} "
                  ">/run/charon.out 2>&1 </dev/null &")
        try:
            self.vici = wait_until(self._connect, "charon's control socket in the guest", 10)
        except Failure as failure:
            raise Failure(f"{failure}\n{guest.run('cat /run/charon.out /run/charon.log')}")

    def _connect(self):
        try:
            return Vici(self.guest.connect(VICI_PORT))
        except OSError:
            return None

    def read_log(self):
        return self.guest.run("cat /run/charon.log")

    def stop(self):
        self.vici.close()
