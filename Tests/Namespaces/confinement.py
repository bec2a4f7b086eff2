"""What the daemon may still do once it runs, as the kernel tells it."""

import os

from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect
from Tests.Lab.tunnel import Tunnel

CAP_NET_ADMIN, CAP_NET_RAW = 12, 13
CLOCK_BOOTTIME = "7"
NEEDED = 1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW


def register(table):
    table.add("confined/capabilities", capabilities)
    table.add("confined/system-calls", system_calls)
    table.add("confined/memory-in-use", memory)
    table.add("confined/timers-count-suspension", timers)
    table.add("confined/few-capabilities-suffice", few_suffice)


def states(lab):
    """The status of each thread of the daemon, as key to value."""
    tasks = f"/proc/{lab.left.process.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/status") as file:
            yield dict(line.split(":\t", 1) for line in file if ":\t" in line)


def running(lab):
    lab.right.apply(Tunnel(), LEFT)
    lab.left.apply(Tunnel(), RIGHT)
    lab.left.initiate()
    return list(states(lab))


def capabilities(lab):
    for state in running(lab):
        for key in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
            held = int(state[key].strip(), 16)
            expect(held & ~NEEDED == 0, f"{state['Name']}: {key} is {state[key]}")


def system_calls(lab):
    for state in running(lab):
        expect(state["NoNewPrivs"].strip() == "1", f"{state['Name']}: new privileges possible")
        expect(state["Seccomp"].strip() == "2", f"{state['Name']}: no seccomp filter")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def memory(lab):
    """An idle daemon with one tunnel is small."""
    used = [int(state["VmRSS"].split()[0]) for state in running(lab)]
    expect(max(used) < 120_000, f"{max(used)} KiB")


def timers(lab):
    """Every timer runs on the clock that goes on while the machine sleeps, as the kernel tells it."""
    running(lab)
    clocks = []
    descriptors = f"/proc/{lab.left.process.pid}/fd"
    for number in os.listdir(descriptors):
        if os.readlink(f"{descriptors}/{number}") == "anon_inode:[timerfd]":
            with open(f"/proc/{lab.left.process.pid}/fdinfo/{number}") as file:
                clocks += [line.split()[1] for line in file if line.startswith("clockid:")]
    expect(clocks and set(clocks) == {CLOCK_BOOTTIME}, f"timers on clocks {clocks}")


def few_suffice(lab):
    """It starts with the two capabilities and the one for ports below 1024, none of root's others."""
    lab.right.apply(Tunnel(), LEFT)
    lab.left.write(Tunnel(), RIGHT)
    lab.left.start(prefix=(
        "setpriv", "--bounding-set=-all,+net_admin,+net_raw,+net_bind_service",
        "--inh-caps=-all,+net_admin,+net_raw,+net_bind_service"))
    lab.left.initiate()
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
