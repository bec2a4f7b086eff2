"""Manual keys (RFC 4301 §4.5.1) while the gateway runs: reloads, limits, and what it says of them."""

import contextlib
import os

from Tests.Lab.capture import Capture
from Tests.Lab.cygnet import Cygnet
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, run, status_of, wait_until
from Tests.Lab.traffic import Flow


def register(table):
    table.add("manual/reload-leaves-it-alone", untouched)
    table.add("manual/other-keys-by-reload", other_keys)
    table.add("manual/used-up", used_up)
    table.add("manual/several-workers", several_workers)
    table.add("manual/keys-that-cannot-be", wrong_files)


SPIS = {"in": 0x6001, "out": 0x6002}


def write_keys(folder, generation):
    """The same for both ends: those of left's `in` are those of right's `out`."""
    for way in SPIS:
        for kind in ("enc", "int"):
            path = os.path.join(folder, f"{way}.{kind}")
            with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                seed = f"{generation:02x}{len(way):02x}{kind == 'enc':02x}00"
                file.write("0x" + seed * 8 + "\n")


def write(gateway, site, other, generation=1, tunnel=(), settings=(), keys=None):
    folder = keys or gateway.folder
    write_keys(folder, generation)
    ways = ("in", "out") if site is LEFT else ("out", "in")
    lines = ["gateway:", f"  control-socket: {gateway.socket}",
             *(f"  {line}" for line in settings), "connections:", "  peer:",
             "    keys: manual", f"    local: {site.outer[4]}", f"    remote: {other.outer[4]}",
             "    tunnels:", "      net:", f"        local: {site.networks[4]}",
             f"        remote: {other.networks[4]}", "        esp-proposals: aes256-sha256",
             *(f"        {line}" for line in tunnel)]
    for way, meant in zip(("in", "out"), ways):
        lines.append(f"        {way}: {{spi: {SPIS[meant]}, encryption-key-file: {folder}/{meant}.enc, "
                     f"integrity-key-file: {folder}/{meant}.int}}")
    with open(gateway.file, "w") as file:
        file.write("\n".join(lines) + "\n")


@contextlib.contextmanager
def two_gateways(lab, **options):
    """Cygnet at both ends; the usual peer waits until the block ends."""
    lab.right.stop()
    right = Cygnet(lab.network.right, RIGHT, os.path.join(lab.folder, "right-gateway"))
    try:
        write(right, RIGHT, LEFT)
        right.start()
        write(lab.left, LEFT, RIGHT, **options)
        lab.left.start()
        yield right
    finally:
        right.kill()
        right.lift_guard()
        lab.right.start()


def sequence(lab):
    """The number of the next packet that leaves, as the wire shows it."""
    with Capture(lab.network.left, "wan") as capture:
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], 1)
    sent = capture.of("esp", outgoing=True)
    expect(sent, f"no ESP on the wire: {capture.counts()}")
    return int.from_bytes(sent[0].payload[4:8], "big")


def reload(gateway):
    return run(*gateway._command("reload"))


def untouched(lab):
    """What a reload does not change loses no packet, and its sequence numbers go on."""
    with two_gateways(lab):
        first = sequence(lab)
        flow = Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4]).start()
        try:
            write(lab.left, LEFT, RIGHT, settings=["log-level: debug"])
            with open(lab.left.file, "a") as file:
                file.write("policies:\n  - bypass: {remote: 10.99.0.0/16}\n  - protect: peer/net\n")
            reload(lab.left)
            wait_until(lambda: flow.sent > 20, "packets before and after the reload")
        finally:
            flow.stop()
        expect(flow.sent > 20 and not flow.missing, f"{flow.missing} of {flow.sent} lost")
        expect(sequence(lab) > first + flow.sent, "the numbers began again")


def other_keys(lab):
    """New keys in the same files: nothing passes while the two ends differ, nothing in clear, and all
    passes once the other end has them."""
    with two_gateways(lab) as right:
        with Capture(lab.network.left, "wan") as capture:
            expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
            write(lab.left, LEFT, RIGHT, generation=2)
            text = reload(lab.left)
            expect("secret" in text, f"the reload says: {text}")
            expect(ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=0.3) == 0,
                   "packets passed by keys that differ")
            wait_until(lambda: right.drops().get("authenticationFailed"), "a forgery counted")
            write(right, RIGHT, LEFT, generation=2)
            reload(right)
            expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
        expect(not capture.of("clear"), f"in clear: {capture.of('clear')[:5]}")


def used_up(lab):
    """Behind lifetime-packets nothing leaves, in whatever form, and it is said why; new keys help."""
    limit = ["lifetime-packets: 100"]
    with two_gateways(lab, tunnel=limit) as right:
        with Capture(lab.network.left, "wan") as capture:
            for _ in range(11):
                ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], 10, wait=0.2)
            expect(ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=0.2) == 0,
                   "packets passed behind the limit")
        sent = len(capture.of("esp", outgoing=True))
        expect(sent == 100, f"{sent} packets left")
        expect(not capture.of("clear"), f"in clear: {capture.of('clear')[:5]}")
        expect(lab.left.drops().get("lifetimeExceeded"), f"{lab.left.drops()}")
        failure = lab.left.failure()
        expect("lifetime-packets" in failure["summary"] and "new keys" in failure["remedy"],
               f"the status says {failure}")
        write(right, RIGHT, LEFT, generation=3)
        reload(right)
        write(lab.left, LEFT, RIGHT, generation=3, tunnel=limit)
        reload(lab.left)
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def several_workers(lab):
    """SPIs that are nobody's choice lie with the worker that they fall to."""
    with two_gateways(lab, settings=["workers: 4"]):
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], 20)
        expect_ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4], 20)
        status = lab.left.connection()
        expect(status["state"] == "manual" and "ikeSA" not in status, f"the status says {status}")
        association = lab.left.established()[0]
        expect(association["inbound"]["packets"] == association["outbound"]["packets"] == 40,
               f"the status says {association}")
        expect("manual keys" in association["traits"], f"the status says {association}")


def wrong_files(lab):
    """Keys of another length, and files that others can read: neither started nor reloaded."""
    lab.left.stop()
    write(lab.left, LEFT, RIGHT)
    key = os.path.join(lab.left.folder, "in.enc")
    with open(key, "a") as file:
        file.write("00")
    command = lab.network.left.command(lab.left.program, "run", "--config", lab.left.file)
    status, text = status_of(*command)
    expect(status != 0 and "bytes, and aes256 has keys of 32" in text.replace("\n", " ")
           or status != 0 and "not valid" in text, f"status {status}: {text}")
    write(lab.left, LEFT, RIGHT)
    os.chmod(key, 0o644)
    status, text = status_of(*command)
    expect(status != 0 and "chmod 600" in text, f"status {status}: {text}")
    os.chmod(key, 0o600)
    lab.left.start()
    os.chmod(key, 0o644)
    status, text = status_of(*lab.left._command("reload"))
    expect(status != 0 and "chmod 600" in text, f"status {status}: {text}")
