"""`cygnet rekey`: new keys by hand, with strongSwan at the other end."""

from Tests.Lab.cygnet import CONNECTION, TUNNEL
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel


def register(table):
    table.add("rekey/by-hand", by_hand)
    table.add("rekey/refused", refused)


def command(lab, *words):
    """(exit status, what was printed)"""
    return status_of(*lab.left._command("rekey", *words), timeout=20)


def spis(lab):
    ike = lab.left.connection()["ikeSA"]
    return lab.left.established()[0]["inboundSPI"], ike["initiatorSPI"]


def by_hand(lab):
    lab.right.apply(Tunnel(), LEFT)
    lab.left.apply(Tunnel(), RIGHT)
    lab.left.initiate()
    child, ike = spis(lab)
    for words, text, is_child in (
            ((f"{CONNECTION}/{TUNNEL}",), f"the keys of {CONNECTION}/{TUNNEL} are new", True),
            ((CONNECTION,), f"the keys of {CONNECTION} are new", True),
            ((CONNECTION, "--ike-sa"), f"the IKE SA of {CONNECTION} is new", False)):
        status, output = command(lab, *words)
        expect(status == 0 and text in output, f"status {status}: {output}")
        new_child, new_ike = spis(lab)
        expect((new_child != child, new_ike != ike) == (is_child, not is_child),
               f"{words}: {child} and {ike} became {new_child} and {new_ike}")
        child, ike = new_child, new_ike
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def refused(lab):
    lab.left.apply(Tunnel(), RIGHT)
    wait_until(lambda: lab.left.connection()["state"] == "down", "nothing is up")
    for words, status, text in (
            (("nobody",), 1, "has no connection nobody"),
            ((f"{CONNECTION}/other",), 1, "has no tunnel other"),
            ((CONNECTION,), 1, f"cygnet up {CONNECTION}"),
            ((CONNECTION, "--ike-sa"), 1, f"cygnet up {CONNECTION}"),
            ((f"{CONNECTION}/{TUNNEL}", "--ike-sa"), 64, f"leave out /{TUNNEL}")):
        found, output = command(lab, *words)
        expect(found == status and text in output, f"{words}: status {found}: {output}")
