"""Route-based tunnels: everything on both sides, chosen by routes; strongSwan has what it takes for it
in its userspace ESP, which routes everything into its own device."""

from Tests.Interop.common import ping_both_ways
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

EVERYTHING = Tunnel(left_networks=("0.0.0.0/0",), right_networks=("0.0.0.0/0",))


def register(table):
    for role, initiator in (("initiator", "left"), ("responder", "right")):
        table.add(f"routing/everything/{role}", everything, initiator=initiator)
    table.add("routing/rekeyed", rekeyed)


def connected(lab, initiator="left", tunnel=EVERYTHING):
    """The tunnel up, and a route of the left side into it."""
    lab.needs_cygnet()
    lab.left.apply(tunnel, RIGHT, tunnel=["interface: swan1", "addresses: 169.254.1.1/30"])
    lab.right.apply(tunnel, LEFT)
    (lab.left if initiator == "left" else lab.right).initiate()
    wait_until(lambda: lab.left.established() and lab.right.established(), "both have the child")
    lab.network.left.ip("route", "replace", RIGHT.networks[4], "dev", "swan1", "src", LEFT.inner[4])


def interface(lab):
    return lab.left.connection()["tunnels"][0]["interface"]


def everything(lab, initiator):
    connected(lab, initiator)
    child = lab.left.established()[0]
    expect(child["localSelectors"] == child["remoteSelectors"] == ["0.0.0.0/0"], f"agreed on {child}")
    before = interface(lab)
    ping_both_ways(lab, EVERYTHING)
    after = interface(lab)
    expect(after["sent"]["packets"] - before["sent"]["packets"] >= 4
           and after["received"]["packets"] - before["received"]["packets"] >= 4,
           f"not by the interface: {before} {after}")


def rekeyed(lab):
    """A successor serves the same interface, whichever end asks for it."""
    connected(lab)
    ping_both_ways(lab, EVERYTHING)
    for rekey in (lab.right.rekey_child, lambda: lab.left.delete_child() or lab.left.initiate()):
        old = lab.left.established()[0]["inboundSPI"]
        rekey()
        wait_until(lambda: [child for child in lab.left.established()
                            if child["inboundSPI"] != old], "another pair")
        ping_both_ways(lab, EVERYTHING)
