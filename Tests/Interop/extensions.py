"""Extensions of IKEv2 that strongSwan has too."""

from Tests.Interop.common import ping_both_ways
from Tests.Interop.exchanges import spis
from Tests.Lab.capture import Capture
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

CREATE_CHILD_SA = 36
PFS = "aes256gcm16-x25519"


def register(table):
    for role, initiator in (("initiate", "left"), ("respond", "right")):
        begins = initiator == "left"
        for ours, theirs, is_childless in (
                ("prefer", "allow", begins), ("force", "force", True),
                ("force" if begins else "allow", "allow" if begins else "force", True),
                ("never", "allow", False), ("allow", "never", False)):
            table.add(f"childless/{ours}-{theirs}/{role}", childless, initiator=initiator,
                      ours=ours, theirs=theirs, is_childless=is_childless)
        # Who begins with a child where the other end will have none gets none.
        for ours, theirs in (("never", "force"), ("force", "never"),
                             ("allow", "force") if begins else ("force", "allow")):
            table.add(f"childless/{ours}-{theirs}/{role}", childless_refused, initiator=initiator,
                      ours=ours, theirs=theirs)


def apply(lab, ours, theirs):
    lab.needs_cygnet()
    tunnel = Tunnel(esp=PFS)
    lab.left.apply(tunnel, RIGHT, connection=[f"childless: {ours}"])
    lab.right.apply(tunnel, LEFT, connection={"childless": theirs}.items())
    return tunnel


def childless(lab, initiator, ours, theirs, is_childless):
    """The IKE SA comes up alone where the ends want it so, and its child in an exchange of its own,
    with a key exchange (RFC 6023 §3, §4)."""
    tunnel = apply(lab, ours, theirs)
    with Capture(lab.network.left, "wan") as capture:
        (lab.left if initiator == "left" else lab.right).initiate()
        wait_until(lambda: lab.left.established() and lab.right.established(), "both have the child")
        ping_both_ways(lab, tunnel)
    created = [frame for frame in capture.of("ike") if 4500 in frame.ports
               and frame.payload[22] == CREATE_CHILD_SA]
    expect(bool(created) == is_childless,
           f"{len(created)} messages of CREATE_CHILD_SA" + (" too few" if is_childless else ""))
    if is_childless:
        group = lab.right.established()[-1].get("dh-group")
        expect(group == "CURVE_25519", f"the child came of group {group}")
    before = spis(lab)
    lab.right.rekey_child()
    wait_until(lambda: spis(lab) and not spis(lab) & before, "the new child")
    ping_both_ways(lab, tunnel)


def childless_refused(lab, initiator, ours, theirs):
    """Where one end insists and the other will not, nothing comes about, and Cygnet says why."""
    apply(lab, ours, theirs)
    if initiator == "left":
        status, output = lab.left.try_initiate()
        expect(status != 0, f"`cygnet up` claims success: {output}")
    else:
        lab.right.try_initiate()
    expect(not lab.right.established() and not lab.left.established(), "the tunnel came about")
    if initiator == "left":
        expect(lab.left.failure(), "status does not say why")
