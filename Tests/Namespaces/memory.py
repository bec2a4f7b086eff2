"""What is left of keys in the daemon's memory when nobody needs them any more."""

import re
import time

from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import SECRET, Tunnel

# Groups of charon's log that write every key, by what it is.
LEVELS = (("ike", 4), ("chd", 4))
NAMES = (r"S[kK]_\w+( secret)?$|SKEYSEED|shared Diffie.Hellman secret|(encryption|integrity) \w+ key|"
         r"prf\(secret, keypad\)|KEYMAT")


def register(table):
    for name, tunnel in SUITES.items():
        table.add(f"memory/keys-of-tunnels-that-ended/{name}", ended, tunnel=tunnel)
        table.add(f"memory/keys-that-were-replaced/{name}", replaced, tunnel=tunnel)
    table.add("memory/a-secret-that-was-changed", changed)


SUITES = {
    "aead": Tunnel(),
    "encrypt-then-mac": Tunnel(ike="aes256-sha256-x25519", esp="aes256-sha256"),
    "with-fresh-keys": Tunnel(ike="chacha20poly1305-prfsha384-ecp256",
                              esp="chacha20poly1305-ecp256"),
}


def keys(text):
    """Every key that charon tells of, by name: it shares them with the daemon."""
    found = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        start = re.search(r"\] (?:<[^>]*> )?(.+?) => (\d+) bytes @ ", line)
        if not start or not re.match(NAMES, start[1]):
            continue
        octets = b""
        for dump in lines[number + 1:]:
            part = re.search(r"\d+: ((?:[0-9A-F]{2} )+) ", dump)
            if not part or len(octets) >= int(start[2]):
                break
            octets += bytes.fromhex(part[1])
        octets = octets[:int(start[2])]
        if len(octets) >= 16:
            found[octets] = start[1]
    return found


def memory(pid):
    """The writable memory of a process, area by area."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            bounds, rights = line.split()[:2]
            if "rw" not in rights:
                continue
            first, last = (int(bound, 16) for bound in bounds.split("-"))
            try:
                mem.seek(first)
                yield line.strip(), mem.read(last - first)
            except (OSError, ValueError):
                continue


def remains(pid, wanted):
    """Which keys, in whole or their first sixteen octets, lie in memory, and in how many places."""
    left = {}
    for _, area in memory(pid):
        for octets, name in wanted.items():
            count = area.count(octets[:16])
            if count:
                left[name] = left.get(name, 0) + count
    return left


def running(lab, tunnel):
    lab.right.apply(tunnel, LEFT, settings=(("levels", LEVELS),))
    open(lab.right.log, "w").close()
    lab.left.apply(tunnel, RIGHT)
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
    found = keys(lab.right.read_log())
    names = " ".join(found.values())
    for name in ("SKEYSEED", "Sk_d", "Sk_ei", "Sk_er", "SK_p", "Hellman", "encryption initiator",
                 "encryption responder"):
        expect(name in names, f"charon does not tell of {name}, only of {names}")
    seen = remains(lab.left.process.pid, found)
    # Of the IKE SA and of the packet path: the search is not blind.
    expect(any("Sk_" in name for name in seen) and any("encryption" in name for name in seen),
           f"a tunnel that is up has only these keys: {seen}")
    return found


def ended(lab, tunnel):
    found = running(lab, tunnel)
    lab.left.delete_ike()
    wait_until(lambda: not lab.right.associations(), "the tunnel is down")
    time.sleep(1)
    left = remains(lab.left.process.pid, found)
    expect(not left, f"in memory after the end: {left}")


def replaced(lab, tunnel):
    """After rekeying, the keys of before are gone."""
    found = running(lab, tunnel)
    lab.right.rekey_child()
    lab.right.rekey_ike()
    time.sleep(8)
    left = remains(lab.left.process.pid, found)
    expect(not left, f"in memory after rekeying: {left}")


def changed(lab):
    """The secret of before is gone as soon as another has taken its place."""
    running(lab, Tunnel())
    secret = {SECRET.encode(): "the shared secret"}
    expect(remains(lab.left.process.pid, secret), "the secret in use is not in memory")
    with open(lab.left.secret, "w") as file:
        file.write("quite another one\n")
    lab.left.namespace.run(lab.left.program, "reload", "--socket", lab.left.socket)
    left = remains(lab.left.process.pid, secret)
    expect(not left, f"in memory after the change: {left}")
