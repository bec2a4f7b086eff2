"""The guard comes back when somebody takes it away without meaning it, and only then; and it belongs to
one gateway."""

import contextlib
import os
import re
import time

from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Background, expect, processor_seconds, status_of, wait_until
from Tests.Namespaces.guard import (BOTH, Sending, arrivals, expect_none_leaked, with_association)

# Long for an attentive gateway, and less than the ten seconds between its regular looks.
SOON = 3.0
INTERFACE = ["interface: swan1", "routes: [10.77.0.0/16]"]

REPLACE = ("h=$(nft -a list chain inet cygnet_guard inbound | sed -n '/drop/s/.*handle //p' | head -1); "
           "nft replace rule inet cygnet_guard inbound handle $h accept")

# What firewalls and network managers do to the guard.
DAMAGES = {
    "flushed": [["nft", "flush", "ruleset"]],
    "saved-and-loaded": [["sh", "-c", "nft list ruleset > $0; nft flush ruleset; nft -f $0"]],
    "rule-replaced": [["sh", "-c", REPLACE]],
    "routes-deleted": [["ip", "route", "flush", "table", "all", "proto", "167"]],
    "emptied": [["nft", "flush", "table", "inet", "cygnet_guard"]],
    "rules-deleted": [["ip", "rule", "flush", "protocol", "167"],
                      ["ip", "-6", "rule", "flush", "protocol", "167"]],
    "everything-gone": [["nft", "flush", "ruleset"], ["ip", "rule", "flush", "protocol", "167"],
                        ["ip", "-6", "rule", "flush", "protocol", "167"]],
}


def register(table):
    for name in DAMAGES:
        table.add(f"guard/kept/{name}", comes_back, damage=name)
        table.add(f"guard/kept/interface/{name}", comes_back, damage=name, further=True)
    table.add("guard/kept/interfaces-alone", interfaces_alone)
    table.add("guard/kept/lifted", stays_lifted)
    table.add("guard/kept/many-changes", among_many_changes)
    table.add("guard/kept/amid-routing-news", amid_routing_news)
    table.add("guard/kept/without-the-filter", without_the_filter)
    table.add("guard/second-gateway/other", second_gateway, spoil=lambda text: text)
    table.add("guard/second-gateway/broken", second_gateway, spoil=lambda text: text + "nonsense: [\n")
    table.add("guard/second-gateway/secret-missing", second_gateway,
              spoil=lambda text: re.sub("secret-file: .*", "secret-file: /nowhere/secret", text))
    table.add("guard/second-gateway/name-taken", name_taken)


def guard(lab):
    """Both halves as the kernel has them, without what counts packets or numbers rules."""
    left = lab.network.left
    return (left.ip("rule"), left.ip("-6", "rule"),
            "".join(sorted(left.ip("route", "show", "table", "all", "proto", "167").splitlines())),
            left.run("nft", "--stateless", "list", "ruleset"))


def do_damage(lab, name):
    for command in DAMAGES[name]:
        lab.network.left.run(*command, *([os.path.join(lab.left.folder, "saved")]
                                         if command[0] == "sh" else []))


def expect_soon(lab, before, seconds=SOON):
    wait_until(lambda: guard(lab) == before, f"the guard is as it was: {before}", seconds)
    wait_until(lambda: lab.left.status()["guardState"] == "set", "status says so", seconds)


def comes_back(lab, damage, further=False):
    lab.inside()
    extra = {"tunnels": {"all": INTERFACE}} if further else {}
    lab.left.apply(BOTH, RIGHT, **extra)
    lab.right.apply(BOTH, LEFT)
    lab.left.initiate()
    before = guard(lab)
    with Capture(lab.network.left, "wan") as capture, Sending(lab):
        do_damage(lab, damage)
        expect_soon(lab, before)
        # From here on nothing may leave; the moment before is what the other half is for.
        capture.frames.clear()
        time.sleep(0.2)
    expect_none_leaked(capture)
    expect(not arrivals(lab), "a clear packet from outside came in")
    expect("took away a part of the guard" in lab.left.read_log(), "nothing is said of it")


def interfaces_alone(lab):
    """A gateway without policies has no rules, only the filter."""
    tunnel = BOTH.but(start="manual")
    lab.left.write(tunnel, RIGHT)
    with open(lab.left.file) as file:
        text = re.sub(r"        local: .*\n        remote: .*\n",
                      "".join(f"        {line}\n" for line in INTERFACE), file.read())
    with open(lab.left.file, "w") as file:
        file.write(text.replace("gateway:", "gateway:\n  default-policy: discard", 1))
    lab.left.start()
    before = guard(lab)
    expect("cygnet_guard" in before[3], f"no filter: {before}")
    lab.network.left.run("nft", "flush", "ruleset")
    expect_soon(lab, before)


def stays_lifted(lab):
    """Whoever lifts the guard of a running gateway means it, through looks and reloads."""
    with_association(lab)
    before = guard(lab)
    lab.left.guard("lift")
    lifted = guard(lab)
    expect("10.2." not in lifted[0] and "chain" not in lifted[3], f"lifted, and there is {lifted}")
    lab.network.left.run("nft", "add", "table", "inet", "other")
    lab.network.left.ip("rule", "add", "priority", "7", "to", "203.0.113.0/24", "lookup", "main")
    time.sleep(0.3)
    lab.network.left.ip("rule", "delete", "priority", "7")
    lab.network.left.run("nft", "delete", "table", "inet", "other")
    lab.left.reload(BOTH.but(right_networks=(*RIGHT.networks.values(), "10.78.0.0/24")), RIGHT)
    expect(guard(lab) == lifted, f"it is not lifted any more: {guard(lab)}")
    expect(lab.left.status()["guardState"] == "lifted", "status does not say so")
    lab.left.reload(BOTH, RIGHT)
    lab.left.guard("set")
    expect_soon(lab, before)


def among_many_changes(lab):
    """Beside a firewall that changes all the time the guard comes back, and the gateway stays idle."""
    with_association(lab)
    before = guard(lab)
    left = lab.network.left
    left.run("nft", "add", "table", "inet", "other")
    left.run("nft", "add", "set", "inet", "other", "hosts", "{ type ipv4_addr; }")
    changes = "; ".join(f"add element inet other hosts {{ 203.0.113.{n} }}; "
                        f"delete element inet other hosts {{ 203.0.113.{n} }}" for n in range(1, 200))
    script = f"while :; do nft '{changes}' || exit; sleep 0.002; done"
    churn = Background(left.command("sh", "-c", script), os.path.join(lab.left.folder, "churn"))
    try:
        time.sleep(0.3)
        used = processor_seconds(lab.left.process.pid)
        time.sleep(1)
        used = processor_seconds(lab.left.process.pid) - used
        left.run("nft", "delete", "table", "inet", "cygnet_guard")
        wait_until(lambda: lab.left.status()["guardState"] == "set", "the guard is back", SOON)
    finally:
        churn.stop()
    left.run("nft", "delete", "table", "inet", "other")
    expect_soon(lab, before)
    expect(used < 0.3, f"the gateway needed {used:.2f} s of a second")


def amid_routing_news(lab):
    """A routing daemon that changes its routes all the time hides no route of ours that is gone."""
    with_association(lab)
    before = guard(lab)
    left = lab.network.left
    script = ("while :; do ip route add 203.0.113.0/24 dev lo; sleep 0.02; "
              "ip route delete 203.0.113.0/24; sleep 0.02; done")
    churn = Background(left.command("sh", "-c", script), os.path.join(lab.left.folder, "churn"))
    try:
        time.sleep(0.5)
        do_damage(lab, "routes-deleted")
        wait_until(lambda: guard(lab)[2] == before[2], "the routes are back", SOON)
    finally:
        churn.stop()
    expect_soon(lab, before)


def without_the_filter(lab):
    """While the filter's table cannot be had, the rules come back again and again."""
    with_association(lab)
    before = guard(lab)
    left = lab.network.left
    # A table that belongs to a process is nobody else's to change, and goes with it.
    script = ("exec nft -i < <(echo 'delete table inet cygnet_guard; "
              "add table inet cygnet_guard { flags owner; }'; exec sleep 30)")
    owner = Background(left.command("bash", "-c", script), os.path.join(lab.left.folder, "owner"))
    try:
        wait_until(lambda: lab.left.status()["guardState"] == "incomplete", "it cannot be set")
        for _ in range(4):
            left.run("nft", "add", "table", "inet", "other")
            left.ip("rule", "flush", "protocol", "167")
            left.ip("-6", "rule", "flush", "protocol", "167")
            left.run("nft", "delete", "table", "inet", "other")
            wait_until(lambda: guard(lab)[:3] == before[:3], "the rules are back", 3 * SOON)
    finally:
        owner.stop()
    expect_soon(lab, before, 3 * SOON)


def second_gateway(lab, spoil):
    """Another gateway in the same network namespace is told of the first, and has touched nothing."""
    with_association(lab)
    before = guard(lab)
    file = os.path.join(lab.left.folder, "second.yaml")
    with open(lab.left.file) as first, open(file, "w") as second:
        second.write(spoil(first.read().replace("10.2.", "10.79.").replace(
            "control.sock", "second.sock")))
    status, output = status_of(*lab.network.left.command(
        lab.left.program, "run", "--config", file))
    expect(status == 1, f"ended with {status}: {output}")
    expect("runs in this network namespace already" in output, output)
    expect(guard(lab) == before, f"the guard is another: {before} {guard(lab)}")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
    # It is free again when the first ends, in whatever way.
    lab.left.kill()
    lab.left.start()


def name_taken(lab):
    """Somebody who may run no gateway keeps nobody else from running one."""
    program = ("import os, socket, time; os.setgid(65534); os.setuid(65534); "
               "s = socket.socket(socket.AF_UNIX); s.bind('\\0cygnet-gateway'); s.listen(); "
               "print('ready', flush=True); time.sleep(30)")
    taker = Background(lab.network.left.command("/usr/bin/python3", "-c", program),
                       os.path.join(lab.left.folder, "taker"))
    with contextlib.ExitStack() as stack:
        stack.callback(taker.stop)
        wait_until(lambda: "ready" in taker.output(), "the name is taken")
        lab.left.apply(BOTH, RIGHT)
        expect(lab.left.status()["guardState"] == "set", "no guard")
