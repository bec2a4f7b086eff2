"""Another configuration for a daemon that runs."""

import json
import os
import re
import signal
import time

from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.guard import BOTH, Sending, expect_none_leaked


def register(table):
    table.add("reload/nothing-changed", nothing_changed)
    table.add("reload/added-and-removed", added_and_removed)
    table.add("reload/invalid-changes-nothing", invalid)
    table.add("reload/missing-secret-changes-nothing", missing_secret)
    table.add("reload/what-cannot-change", fixed)
    table.add("reload/secret", secret)
    table.add("reload/by-signal", by_signal)
    table.add("reload/nothing-in-clear", nothing_in_clear)
    table.add("reload/last-valid-one-is-kept", last_valid)


EXTRA = [
    "      lab:",
    "        local: 10.77.1.0/24",
    "        remote: 10.77.2.0/24",
]


def edit(lab, change):
    """Replaces the file, as editors do."""
    with open(lab.left.file) as file:
        text = change(file.read())
    with open(lab.left.file + ".new", "w") as file:
        file.write(text)
    os.replace(lab.left.file + ".new", lab.left.file)


def reload(lab):
    """Returns (exit status, the report)."""
    status, text = status_of(*lab.left._command("reload", "--json"))
    return status, json.loads(text)


def running(lab, tunnel=Tunnel()):
    lab.right.apply(tunnel, LEFT)
    lab.left.apply(tunnel, RIGHT)
    lab.left.initiate()
    return lab.left.established()


def spis(children):
    return [child["inboundSPI"] for child in children]


def nothing_changed(lab):
    before = spis(running(lab))
    edit(lab, lambda text: "# a remark\n" + text)
    status, report = reload(lab)
    expect(status == 0 and report["isInForce"], f"refused: {report}")
    expect(report["kept"] == ["peer", "peer/net"], f"not all is kept: {report}")
    expect(not report["changed"] and not report["policiesChanged"], f"something changed: {report}")
    expect(spis(lab.left.established()) == before, "an SA was replaced")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def added_and_removed(lab):
    before = spis(running(lab))
    edit(lab, lambda text: text + "\n".join(EXTRA) + "\n")
    status, report = reload(lab)
    expect(status == 0 and report["added"] == ["peer/lab"], f"not added: {report}")
    expect("10.77.2.0/24" in lab.network.left.run("nft", "list", "table", "inet", "cygnet_guard"),
           "the guard does not know the new tunnel")
    expect("10.77.2.0/24" in lab.network.left.ip("rule"), "no rule leads to the new tunnel")
    edit(lab, lambda text: text.replace("\n".join(EXTRA) + "\n", ""))
    status, report = reload(lab)
    expect(status == 0 and report["removed"] == ["peer/lab"], f"not removed: {report}")
    expect("10.77.2.0" not in lab.network.left.run("nft", "list", "table", "inet", "cygnet_guard"),
           "the guard still has what was removed")
    expect("10.77.2.0" not in lab.network.left.ip("rule"), "a rule stayed")
    expect(spis(lab.left.established()) == before, "an SA of the other tunnel was replaced")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
    edit(lab, lambda text: text.replace("peer:", "other:"))
    status, report = reload(lab)
    expect(status == 0 and "peer" in report["removed"], f"not removed: {report}")
    wait_until(lambda: not lab.right.associations(), "the peer is told that all is over")


def invalid(lab):
    before = spis(running(lab))
    edit(lab, lambda text: text + "nonsense: 1\nconections: {}\n")
    status, report = reload(lab)
    expect(status == 1 and not report["isInForce"], f"accepted: {report}")
    text = str(report["problems"])
    expect("nonsense" in text and "conections" in text, f"not every error is told: {text}")
    status, words = status_of(*lab.left._command("reload"))
    expect(status == 1 and "stays" in words and "cygnet.yaml:" in words, f"it says: {words}")
    expect(spis(lab.left.established()) == before, "an SA was replaced")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def missing_secret(lab):
    before = spis(running(lab))
    edit(lab, lambda text: re.sub("secret-file: .*", "secret-file: nowhere.secret", text))
    status, report = reload(lab)
    expect(status == 1 and "does not exist" in str(report["problems"]), f"it says: {report}")
    expect(spis(lab.left.established()) == before, "an SA was replaced")


def fixed(lab):
    before = spis(running(lab))
    edit(lab, lambda text: text.replace(
        "gateway:\n", "gateway:\n  interface: tun9\n  listen: {ike-port: 5500}\n"))
    status, report = reload(lab)
    text = str(report["problems"])
    expect(status == 1 and "interface" in text and "listen.ike-port" in text, f"it says: {report}")
    expect(spis(lab.left.established()) == before, "an SA was replaced")


def secret(lab):
    """A new secret leaves the SAs alone and counts from the next authentication on."""
    before = spis(running(lab))
    with open(lab.left.secret, "w") as file:
        file.write("another\n")
    status, report = reload(lab)
    expect(status == 0 and report["changed"] == [{"keys": ["secret"], "name": "peer"}],
           f"it says: {report}")
    expect(spis(lab.left.established()) == before, "an SA was replaced")
    lab.left.delete_ike()
    expect(lab.left.try_initiate()[0] != 0, "the old secret still counts")


def by_signal(lab):
    running(lab)
    edit(lab, lambda text: text + "\n".join(EXTRA) + "\n")
    os.kill(lab.left.process.pid, signal.SIGHUP)
    wait_until(lambda: len(lab.left.connection()["tunnels"]) == 2, "the new tunnel is there")
    edit(lab, lambda text: text + "nonsense: 1\n")
    os.kill(lab.left.process.pid, signal.SIGHUP)
    wait_until(lambda: "nonsense" in lab.left.read_log(), "the log says what is wrong")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def nothing_in_clear(lab):
    """Reloaded again and again under traffic, with another order and another tunnel each time."""
    lab.inside()
    lab.right.apply(BOTH, LEFT)
    lab.left.apply(BOTH, RIGHT)
    lab.left.initiate()
    with open(lab.left.file) as file:
        plain = file.read()
    other = plain + "\n".join(EXTRA) + (
        "\npolicies:\n  - bypass: {remote: 203.0.113.0/24}\n"
        "  - protect: peer/lab\n  - protect: peer/net\n")
    with Capture(lab.network.left, "wan") as capture, Sending(lab):
        for number in range(8):
            edit(lab, lambda _, number=number: plain if number % 2 else other)
            status, report = reload(lab)
            expect(status == 0, f"refused: {report}")
            time.sleep(0.1)
    expect_none_leaked(capture)
    expect(ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=3) == 3,
           "packets were lost after all the reloads")


def last_valid(lab):
    """What the guard falls back to is the configuration that was reloaded."""
    running(lab)
    edit(lab, lambda text: text + "\n".join(EXTRA) + "\n")
    expect(reload(lab)[0] == 0, "refused")
    lab.left.stop()
    lab.left.guard("lift")
    edit(lab, lambda text: text + "nonsense: 1\n")
    lab.left.start(wait=False)
    lab.left.process.process.wait(5)
    expect("10.77.2.0/24" in lab.network.left.run("nft", "list", "table", "inet", "cygnet_guard"),
           "the guard is not that of the reloaded configuration")
