"""Cygnet as an end: its configuration, the daemon and its commands."""

import contextlib
import json
import os
import signal

from Tests.Lab.processes import Background, Failure, run, status_of, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONNECTION, TUNNEL = "peer", "net"
# Where the daemon keeps copies of configurations that were valid.
LAST_GOOD = "/var/lib/cygnet/last-good"
STARTS = {"manual": "by-hand", "traffic": "on-traffic", "boot": "at-boot"}


def executable():
    """The program under test: CYGNET in the environment, or the release build."""
    path = os.environ.get("CYGNET", os.path.join(ROOT, ".build", "release", "cygnet"))
    if not os.access(path, os.X_OK):
        raise SystemExit(f"{path} is missing: run scripts/build release first")
    return path


def addresses(value):
    """One address, or a list of them."""
    if isinstance(value, str):
        return f"'{value}'"
    return "[" + ", ".join(f"'{word}'" for word in value) + "]"


def configuration(end, secret_file, socket, gateway=(), connection=(), tunnel=(), top=(),
                  tunnels=(), anywhere=False):
    """The configuration of one end; further lines of its sections, `tunnels` being lines of further
    tunnels by name. `anywhere` leaves its own address open."""
    wanted = end.tunnel
    own = "" if anywhere else f"address: '{end.local_address}', "
    lines = ["gateway:", f"  control-socket: {socket}"]
    lines += [f"  {line}" for line in gateway]
    lines += [
        "connections:",
        f"  {CONNECTION}:",
        f"    local: {{{own}id: '{end.local_identity}'}}",
        f"    remote: {{address: {addresses(end.remote_address)}, id: '{end.remote_identity}'}}",
        f"    secret-file: {secret_file}",
        f"    encapsulation: {wanted.encapsulation}",
    ]
    if wanted.ike:
        lines.append(f"    ike-proposals: {wanted.ike}")
    if wanted.liveness_seconds:
        lines.append(f"    liveness: {wanted.liveness_seconds:g}s")
    if wanted.ike_rekey_seconds:
        lines.append(f"    ike-lifetime: {wanted.ike_rekey_seconds:g}s")
    lines += [f"    {line}" for line in connection]
    lines += [
        "    tunnels:",
        f"      {TUNNEL}:",
        "        local: [" + ", ".join(f"'{network}'" for network in end.local_networks) + "]",
        "        remote: [" + ", ".join(f"'{network}'" for network in end.remote_networks) + "]",
        f"        start: {STARTS[wanted.start]}",
    ]
    if wanted.esp:
        lines.append(f"        esp-proposals: {wanted.esp}")
    if wanted.child_rekey_seconds:
        lines.append(f"        lifetime: {wanted.child_rekey_seconds:g}s")
    if wanted.replay_window:
        lines.append(f"        replay-window: {wanted.replay_window}")
    lines += [f"        {line}" for line in tunnel]
    for name, further in dict(tunnels).items():
        lines += [f"      {name}:", *(f"        {line}" for line in further)]
    lines += top
    return "\n".join(lines) + "\n"


class Cygnet:
    """One gateway in a namespace. `apply` writes the configuration and restarts the daemon."""

    def __init__(self, namespace, site, folder):
        self.namespace = namespace
        self.site = site
        self.folder = folder
        self.process = None
        self.program = executable()
        os.makedirs(folder, exist_ok=True)
        self.file = os.path.join(folder, "cygnet.yaml")
        self.socket = os.path.join(folder, "control.sock")
        self.secret = os.path.join(folder, "secret")

    # Configuration

    def write(self, tunnel, other, /, **extra):
        """Writes the configuration and the secret without starting anything."""
        if os.path.exists(self.secret):
            os.unlink(self.secret)
        descriptor = os.open(self.secret, os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(descriptor, tunnel.secret.encode() + b"\n")
        os.close(descriptor)
        with open(self.file, "w") as file:
            file.write(configuration(
                tunnel.end(self.site, other), self.secret, self.socket, **extra))

    def apply(self, tunnel, other, /, **extra):
        self.stop()
        self.write(tunnel, other, **extra)
        self.start()

    def reload(self, tunnel, other, /, **extra):
        """Writes another configuration and puts it in force without a restart."""
        self.write(tunnel, other, **extra)
        return run(*self._command("reload"))

    # The daemon

    @property
    def log(self):
        return os.path.join(self.folder, "cygnet.log")

    def start(self, wait=True, environment=None, prefix=()):
        """Starts the daemon and waits until it answers; `prefix` is a command that runs it."""
        open(self.log, "w").close()
        self.process = Background(
            self.namespace.command(*prefix, self.program, "run", "--config", self.file,
                                   "--log-level", "debug"), self.log, environment)
        if not wait:
            return
        wait_until(lambda: self._answers() or not self.process.is_running(), "cygnet's status")
        if not self.process.is_running():
            raise Failure(f"cygnet ended with status {self.process.process.returncode}:\n"
                          f"{self.read_log()[-1500:]}")

    def _answers(self):
        return status_of(*self._command("status", "--json"))[0] == 0

    def stop(self):
        """Shuts down in good order; fails when the daemon does not end well."""
        if self.process and self.process.is_running():
            status = self.process.stop()
            if status != 0:
                raise Failure(f"cygnet ended with status {status}:\n{self.read_log()[-1500:]}")
        self.process = None

    def kill(self):
        """Ends with -9, as the kernel's memory killer does."""
        if self.process:
            self.process.stop(signal.SIGKILL)
            self.process = None

    def guard(self, action):
        """`cygnet guard show|set|lift`, which need no daemon."""
        return self.namespace.run(*self._guard(action))

    def lift_guard(self):
        """Leaves no guard behind, whether or not there was one, and nothing to guard by later."""
        status_of(*self.namespace.command(*self._guard("lift")))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(LAST_GOOD, self.file.replace("%", "%25").replace("/", "%2F")))

    def _guard(self, action):
        words = [self.program, "guard", action]
        return words + ["--config", self.file] if action == "set" else words

    def read_log(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # Commands

    def _command(self, *words):
        return self.namespace.command(self.program, *words, "--socket", self.socket)

    def status(self):
        return json.loads(run(*self._command("status", "--json")))

    def connection(self):
        return self.status()["connections"][0]

    def failure(self):
        """The last failure as `status` explains it, or an empty dictionary."""
        return self.connection().get("lastFailure") or {}

    def established(self, name=None):
        """The Child SAs, newest first, of one tunnel or of all."""
        return [child for tunnel in self.connection()["tunnels"] if name in (None, tunnel["name"])
                for child in tunnel["securityAssociations"]]

    def drops(self):
        return {drop["reason"]: drop["packets"] for drop in self.status()["drops"]}

    def initiate(self, seconds=10, tunnel=TUNNEL):
        run(*self._command("up", f"{CONNECTION}/{tunnel}"), timeout=seconds)

    def begin(self, *words):
        """Gives a command without waiting for what becomes of it."""
        Background(self._command(*words), os.path.join(self.folder, "output"))

    def try_initiate(self):
        """Begins where success is not expected; returns (exit status, output)."""
        return status_of(*self._command("up", f"{CONNECTION}/{TUNNEL}"), timeout=20)

    def delete_child(self, tunnel=TUNNEL):
        run(*self._command("down", f"{CONNECTION}/{tunnel}"))

    def delete_ike(self):
        run(*self._command("down", CONNECTION))
