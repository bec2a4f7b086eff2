"""Where the abuse takes place: Cygnet on the left with a connection for each peer, abusive peers on
the right, each with an address of its own, and one honest peer whose tunnel must outlive it all."""

import json
import os
import signal
import socket

from Tests.Abuse import codec, manual
from Tests.Abuse.peer import (
    GATEWAY, GATEWAY_IDENTITY, GATEWAY_NETWORK, GATEWAY_NETWORK6, SECRET, DualPeer, Peer, address,
    inner_network, inner_network6)
from Tests.Lab.cygnet import executable
from Tests.Lab.network import RIGHT, Network
from Tests.Lab.processes import (Background, Failure, expect, processor_seconds, run,
                                 wait_until)

HONEST, FIRST, LAST = 3, 10, 900
# Peers whose connection lets them move are the last ones.
MOBILE = 860
# Those behind them may come by TCP (RFC 9329); then those with IPv6 in their tunnel as well, pairs of
# them that reach each other through the gateway, and those whose tunnel is for one UDP port and the
# fragments of its packets.
STREAM, WIDE, SPOKES, PORTED, END = 900, 930, 938, 944, 960
# The port of the tunnels that are for one alone.
PORT = 7777
# What the daemon may grow by, in KiB, whatever is done to it.
GROWTH = 24_576


class AbuseLaboratory:
    def __init__(self, folder):
        self.folder = folder
        self.program = executable()
        self.socket = os.path.join(folder, "control.sock")
        self.log = os.path.join(folder, "cygnet.log")
        self.process = None
        self.numbers = iter(range(FIRST, MOBILE))
        self.mobile_numbers = iter(range(MOBILE, LAST))
        self.stream_numbers = iter(range(STREAM, WIDE))
        self.wide_numbers = iter(range(WIDE, SPOKES))
        self.spoke_numbers = iter(range(SPOKES, PORTED))
        self.ported_numbers = iter(range(PORTED, END))
        self.peers, self.running = [], []
        # When one address had all its half-open SAs, and which.
        self.first_half_open = None
        self.network = Network()
        self.network.router.ip("route", "add", "203.0.112.0/20", "via", RIGHT.outer[4])
        # Answers to addresses that nobody has must not travel in circles.
        self.network.right.ip("route", "add", "blackhole", "203.0.112.0/20")
        try:
            self._write_secret()
            self.honest = None
            self.start()
        except BaseException:
            self.close()
            raise

    # The daemon

    def _write_secret(self):
        descriptor = os.open(os.path.join(self.folder, "secret"), os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(descriptor, SECRET + b"\n")
        os.close(descriptor)

    def configuration(self, gateway):
        lines = ["gateway:", f"  control-socket: {self.socket}",
                 *[f"  {line}" for line in gateway], "connections:"]
        for number in (HONEST, *range(FIRST, END)):
            lines += [
                f"  peer-{number}:",
                f"    local: {{address: {GATEWAY}, id: {GATEWAY_IDENTITY}}}",
                f"    remote: {{address: {address(number)}, id: peer-{number}.example}}",
                "    secret-file: secret",
                "    ike-proposals: [aes256gcm16-prfsha256-x25519-modp2048,"
                " aes256-sha256-prfsha256-ecp256,"
                " aes256gcm16-prfsha256-ecp256-ke1_x25519-ke2_modp2048]",
                "    encapsulation: udp",
                "    liveness: off",
                "    resumption: true",
                f"    mobike: {'true' if MOBILE <= number < STREAM else 'false'}",
                f"    transport: {'auto' if STREAM <= number < WIDE else 'udp'}",
                "    retransmission: {initial: 300ms, factor: 1.5, tries: 4}",
                "    tunnels:",
                "      net:",
                f"        local: {self.local_networks(number)}",
                f"        remote: {self.networks(number, inner_network(number), inner_network6(number))}",
                f"        later-fragments: {'true' if number >= PORTED else 'false'}",
                "        start: by-hand",
            ]
        lines += manual.connections(self.folder)
        return "\n".join(lines) + "\n"

    @classmethod
    def local_networks(cls, number):
        further = ()
        if SPOKES <= number < PORTED:
            further = inner_network(number ^ 1), inner_network6(number ^ 1)
        return cls.networks(number, GATEWAY_NETWORK, GATEWAY_NETWORK6, *further, port=PORT)

    @staticmethod
    def networks(number, v4, *further, port=None):
        if number < WIDE:
            return v4
        behind = "" if number < PORTED else f"[udp/{port}]" if port else "[udp]"
        return "[" + ", ".join(f"'{network}{behind}'" for network in (v4, *further)) + "]"

    def start(self, *gateway):
        """Starts the daemon afresh, with further lines of `gateway`, and the honest peer with it."""
        self.stop()
        self.settings = gateway = gateway or ("cookie-threshold: 500",)
        path = os.path.join(self.folder, "cygnet.yaml")
        with open(path, "w") as file:
            file.write(self.configuration(gateway))
        self.process = Background(self.network.left.command(
            self.program, "run", "--config", path, "--log-level", "debug"), self.log)
        wait_until(lambda: self._answers() or not self.process.is_running(), "cygnet's status", 15)
        if not self.process.is_running():
            raise Failure(f"cygnet ended:\n{self.read_log()[-1500:]}")
        if self.honest is None:
            self.honest = Peer(self, HONEST)
        else:
            self.honest.forget()
        self.honest.begin().authenticate().expect_echo()
        self.memory_at_start = self.memory()

    def stop(self):
        """Without a word: no peer here would answer a Delete."""
        if self.process:
            self.process.stop(signal.SIGKILL)
            self.process = None

    def _answers(self):
        try:
            return self.status()
        except OSError:
            return None

    def status(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(5)
            stream.connect(self.socket)
            stream.sendall(b'{"request":"status"}\n')
            data = b""
            while not data.endswith(b"\n"):
                more = stream.recv(1 << 20)
                if not more:
                    raise Failure("the control socket closed within a reply")
                data += more
        return json.loads(data)["status"]

    def connection(self, peer):
        return next(connection for connection in self.status()["connections"]
                    if connection["name"] == peer.name)

    def failure(self, peer):
        return self.connection(peer).get("lastFailure") or {}

    def drops(self):
        return {drop["reason"]: drop["packets"] for drop in self.status()["drops"]}

    def memory(self):
        """Resident memory in KiB."""
        with open(f"/proc/{self.daemon_pid()}/statm") as file:
            return int(file.read().split()[1]) * 4

    def processor_seconds(self):
        return processor_seconds(self.daemon_pid())

    def daemon_pid(self):
        """`ip netns exec` becomes the daemon."""
        return self.process.pid

    def up(self, peer):
        """Lets the gateway begin, in the background."""
        begun = Background(self.network.left.command(
            self.program, "up", f"{peer.name}/net", "--socket", self.socket),
            os.path.join(self.folder, f"up-{peer.number}"))
        self.running.append(begun)
        return begun

    def down(self, peer):
        run(*self.network.left.command(
            self.program, "down", peer.name, "--socket", self.socket), check=False)

    # Peers

    def peer(self, **options):
        """A peer that nobody has seen before."""
        made = Peer(self, next(self.numbers), **options)
        self.peers.append(made)
        return made

    def mobile(self):
        """A peer that may move (RFC 4555)."""
        made = Peer(self, next(self.mobile_numbers))
        self.peers.append(made)
        return made

    def caller(self):
        """A peer that may come by TCP."""
        made = Peer(self, next(self.stream_numbers))
        self.peers.append(made)
        return made

    def dual(self, port=None, **options):
        """A peer with a tunnel of both IP versions, or for one port alone."""
        numbers = self.ported_numbers if port else self.wide_numbers
        made = DualPeer(self, next(numbers), port, **options)
        self.peers.append(made)
        return made.begin().authenticate()

    def spokes(self):
        """Two peers with tunnels to each other's networks as well."""
        made = [DualPeer(self, next(self.spoke_numbers)) for _ in range(2)]
        self.peers += made
        for peer, other in (made, made[::-1]):
            peer.beyond = [codec.network(other.inner_network),
                           codec.network6(inner_network6(other.number))]
            peer.begin().authenticate()
        return made

    def begun(self, **options):
        """A peer with keys that has not authenticated."""
        return self.peer(**options).begin()

    def insider(self, **options):
        """A peer with an established tunnel, who knows every key."""
        return self.begun(**options).authenticate()

    def victim(self, **options):
        """A peer with a tunnel that somebody else is to be kept from harming."""
        made = self.insider(**options)
        made.expect_echo()
        return made

    def settle(self):
        """Returns when the gateway has dealt with everything sent before: it answers in order."""
        self.honest.expect_alive()

    # Judgement

    def expect_dropped(self, reason, action, at_least=1):
        """The action is counted as dropped for the reason."""
        before = self.drops().get(reason, 0)
        action()
        self.settle()
        wait_until(lambda: self.drops().get(reason, 0) - before >= at_least,
                   f"{at_least} dropped as {reason}: {self.drops()}", 1.0)

    def expect_unharmed(self):
        expect(self.process.is_running(), "the daemon ended")
        self.honest.expect_alive()
        self.honest.expect_echo()
        grown = self.memory() - self.memory_at_start
        expect(grown < GROWTH, f"memory grew by {grown} KiB")

    # What the loop of cases asks for

    def logs(self):
        return {"cygnet.log": self.read_log()}

    def read_log(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def reset(self):
        for begun in self.running:
            begun.stop()
        for peer in self.peers:
            peer.close()
        self.peers, self.running = [], []
        if not self.process or not self.process.is_running():
            self.process = None
            self.start()

    def close(self):
        for begun in self.running:
            begun.stop()
        self.stop()
        self.network.close()

