"""strongSwan as the other end: charon in a namespace with its userspace ESP (kernel-libipsec), or
charon inside a guest with the Linux kernel's ESP; either is driven over vici."""

import os

from Tests.Lab.processes import Background, Failure, wait_until
from Tests.Lab.vici import Vici

CHARON = "/usr/lib/ipsec/charon"
PLUGINS = ("random nonce openssl aes ctr ccm xcbc cmac kdf hmac vici {kernel} socket-default updown "
           "counters")
SETTINGS = """
charon {{
    load = {plugins}
    threads = 16
    install_routes = {install_routes}
    routing_table = {routing_table}
    cookie_threshold = {cookie_threshold}
    cookie_threshold_ip = {cookie_threshold}
    half_open_timeout = 5
    retransmit_timeout = 0.5
    retransmit_base = 1.5
    retransmit_tries = 4
{more}    filelog {{
        log {{
            path = {log}
            time_format = %H:%M:%S
            default = 1
            flush_line = yes
        }}
    }}
    plugins {{
        vici {{
            socket = {socket}
        }}
    }}
}}
"""
CONNECTION = "net"


class StrongSwan:
    """The commands to one charon; a subclass starts the process and opens the control socket."""

    def __init__(self, site):
        self.site = site
        self.vici = None

    def apply(self, tunnel, other, /, connection=(), child=(), children=()):
        """Forgets whatever was there and takes the tunnel, as the right (or the left) end. The rest
        are pairs of vici's: further keys of the connection, of the child, and further children."""
        self.clear()
        end = tunnel.end(self.site, other)
        self.vici.command("load-shared", type="IKE", data=tunnel.secret)
        rekey = tunnel.right_child_rekey_seconds if self.site.name != "left" else 0
        settings = {
            "mode": "tunnel",
            "local_ts": end.local_networks,
            "remote_ts": end.remote_networks,
            "esp_proposals": [tunnel.esp or "default"],
            "rekey_time": f"{int(rekey)}s",
            "life_time": "3600s",
            "dpd_action": "clear",
            "close_action": "none",
        }
        if tunnel.replay_window:
            settings["replay_window"] = tunnel.replay_window
        settings.update(child)
        self.vici.command("load-conn", **{CONNECTION: {
            "version": "2",
            "local_addrs": [end.local_address],
            "remote_addrs": [end.remote_address],
            "proposals": [tunnel.ike or "default"],
            "encap": "yes" if tunnel.encapsulation == "udp" else "no",
            "mobike": "no",
            "rekey_time": "0s",
            "dpd_delay": f"{int(tunnel.liveness_seconds)}s",
            "local": {"auth": "psk", "id": end.local_identity},
            "remote": {"auth": "psk", "id": end.remote_identity},
            "children": {CONNECTION: settings,
                         **{name: {**settings, **dict(more)} for name, more in children}},
            **dict(connection),
        }})

    def clear(self):
        self.vici.request("terminate", force="yes", timeout="-1", ike=CONNECTION)
        self.vici.request("unload-conn", name=CONNECTION)
        self.vici.request("clear-creds")
        wait_until(lambda: not self.associations(), "strongSwan forgets its associations")

    def associations(self):
        """The IKE SAs of the connection, oldest first, as vici describes them."""
        found = self.vici.stream_request("list-sas", "list-sa")
        return [association for event in found for association in event.values()]

    def children(self):
        return [child for association in self.associations()
                for child in association.get("child-sas", {}).values()]

    def established(self):
        """The children that carry traffic."""
        return [child for child in self.children() if child["state"] == "INSTALLED"]

    def initiate(self, seconds=10, child=CONNECTION):
        self.vici.command(
            "initiate", seconds, child=child, ike=CONNECTION,
            timeout=str(seconds * 1000 - 500))

    def begin(self, command="initiate", **arguments):
        """Gives a command without waiting for what becomes of it."""
        if command == "initiate":
            arguments = {"child": CONNECTION, "ike": CONNECTION, "timeout": "-1", **arguments}
        self.vici.request(command, **arguments)

    def try_initiate(self, milliseconds=2500):
        """Initiates where success is not expected; returns the answer."""
        return self.vici.request(
            "initiate", 10, child=CONNECTION, ike=CONNECTION, timeout=str(milliseconds))

    def rekey_child(self, child=CONNECTION):
        self.vici.command("rekey", child=child)

    def rekey_ike(self):
        self.vici.command("rekey", ike=CONNECTION)

    def delete_child(self, child=CONNECTION):
        self.vici.command("terminate", child=child, timeout="2000")

    def delete_ike(self):
        self.vici.command("terminate", ike=CONNECTION, timeout="2000")

    def counters(self):
        return self.vici.command("get-counters", all="yes")["counters"]


class NamespacedStrongSwan(StrongSwan):
    def __init__(self, namespace, site, folder):
        super().__init__(site)
        self.namespace = namespace
        self.folder = folder
        self.process = None
        self.settings = {}

    def start(self, **settings):
        """Starts charon. A cookie threshold of 0, which is the default, never asks for cookies;
        `levels` are pairs for its log, and other settings those of strongswan.conf."""
        self.settings = settings
        more = dict(settings)
        # Sections of one name are one section.
        levels = "".join(f"{group} = {level}\n" for group, level in more.pop("levels", ()))
        os.makedirs(self.folder, exist_ok=True)
        file_name = os.path.join(self.folder, "strongswan.conf")
        control = os.path.join(self.folder, "vici")
        with open(file_name, "w") as file:
            file.write(SETTINGS.format(
                plugins=PLUGINS.format(kernel="kernel-libipsec kernel-netlink"),
                install_routes="yes", routing_table=220,
                cookie_threshold=more.pop("cookie_threshold", 0), log=self.log,
                socket=f"unix://{control}",
                more="".join(f"    {key} = {value}\n" for key, value in more.items())
                + f"    filelog {{ log {{\n{levels}}} }}\n"))
        if os.path.exists(control):
            os.unlink(control)
        # A /run of its own: charon keeps its process number there.
        self.process = Background(
            self.namespace.command("sh", "-c", f"mount -t tmpfs tmpfs /run && exec {CHARON}"),
            os.path.join(self.folder, "output"), {"STRONGSWAN_CONF": file_name})
        wait_until(lambda: os.path.exists(control) or not self.process.is_running(),
                   "charon's control socket")
        if not self.process.is_running():
            raise Failure(f"charon did not start:\n{self.process.output()}")
        # The socket is there a moment before anybody listens.
        self.vici = wait_until(lambda: self._connect(control), "charon's control socket answers")

    @staticmethod
    def _connect(control):
        try:
            return Vici.unix(control)
        except ConnectionRefusedError:
            return None

    @property
    def log(self):
        return os.path.join(self.folder, "charon.log")

    def apply(self, tunnel, other, /, settings=(), **further):
        is_running = self.process is not None and self.process.is_running()
        if not is_running or self.settings != dict(settings):
            self.restart(**dict(settings))
        super().apply(tunnel, other, **further)

    def restart(self, **settings):
        self.stop()
        self.start(**settings)

    def die(self):
        """Ends without a word to the peer."""
        self.process.stop(9)

    def stop(self):
        if self.process:
            if self.vici:
                self.vici.close()
            self.process.stop()
            self.process = None

    def read_log(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""
