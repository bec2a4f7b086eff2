"""Where the ends disagree: retries that heal it, and explanations where nothing can."""

from Tests.Interop.common import ping_both_ways
from Tests.Lab.capture import Capture
from Tests.Lab.ike import COOKIE, notifies, request
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

# The first group is the one that the initiator guesses.
TWO_GROUPS = "aes256gcm16-prfsha256-x25519-ecp256"
ONE_GROUP = "aes256gcm16-prfsha256-ecp256"


def register(table):
    table.add("retry/invalid-ke/initiate", invalid_ke, initiator="left")
    table.add("retry/invalid-ke/respond", invalid_ke, initiator="right")
    table.add("retry/cookie/initiate", cookie_demanded_by_peer)
    table.add("retry/cookie/respond", cookie_demanded_by_us)
    for role, initiator in (("initiate", "left"), ("respond", "right")):
        table.add(f"refusal/secret/{role}", refusal, initiator=initiator,
                  change={"secret": "not-the-same-at-all"}, kind="secret", needs_offer=False)
        table.add(f"refusal/identity/{role}", refusal, initiator=initiator,
                  change={"right_identity": "someone-else.example"}, kind="identit",
                  needs_offer=False)
        table.add(f"refusal/ike-proposal/{role}", refusal, initiator=initiator,
                  change={"ike": "aes128-sha256-modp3072"}, kind="proposal", needs_offer=True)
        table.add(f"refusal/esp-proposal/{role}", refusal, initiator=initiator,
                  change={"esp": "aes128-sha512"}, kind="proposal", needs_offer=True)
        table.add(f"refusal/selectors/{role}", refusal, initiator=initiator,
                  change={"right_networks": ("10.99.0.0/24",)}, kind="selector", needs_offer=True)


def invalid_ke(lab, initiator):
    """The initiator guesses one group, the responder wants the other (RFC 7296 §1.2)."""
    tunnel = Tunnel()
    left, right = TWO_GROUPS, ONE_GROUP
    if initiator == "right":
        left, right = right, left
    lab.left.apply(tunnel.but(ike=left), RIGHT)
    lab.right.apply(tunnel.but(ike=right), LEFT)
    with Capture(lab.network.left, "wan") as capture:
        (lab.left if initiator == "left" else lab.right).initiate()
        ping_both_ways(lab, tunnel)
    begins = [frame for frame in capture.of("ike") if frame.payload[18:19] == b"\x22"]
    expect(len(begins) >= 4, f"{len(begins)} messages of IKE_SA_INIT: there was no retry")


def half_open(count, target, namespace, source):
    """Begins `count` exchanges and leaves them there; returns the notifies of the last answer."""
    found = []
    for _ in range(count):
        with namespace.udp(source) as socket:
            socket.settimeout(0.5)
            socket.sendto(request(), (target, 500))
            try:
                found = notifies(socket.recv(4096))
            except TimeoutError:
                pass
    return found


def cookie_demanded_by_peer(lab):
    """strongSwan has half-open exchanges enough and asks for a cookie (RFC 7296 §2.6)."""
    tunnel = Tunnel()
    lab.left.apply(tunnel, RIGHT)
    lab.right.apply(tunnel, LEFT, settings={"cookie_threshold": 1})
    # From Cygnet's own address, because the peer knows no other.
    half_open(3, RIGHT.outer[4], lab.network.left, LEFT.outer[4])
    with Capture(lab.network.left, "wan") as capture:
        lab.left.initiate()
        ping_both_ways(lab, tunnel)
    asked = [frame for frame in capture.of("ike", outgoing=False)
             if any(kind == COOKIE for kind, _ in notifies(frame.payload))]
    expect(asked, "the peer asked for no cookie")


def cookie_demanded_by_us(lab):
    """Above its threshold Cygnet asks for a cookie, and a true peer still comes through."""
    lab.needs_cygnet()
    tunnel = Tunnel()
    lab.left.apply(tunnel, RIGHT, gateway=["cookie-threshold: 4"])
    lab.right.apply(tunnel, LEFT)
    # From the peer's address, or Cygnet has no connection for the strangers.
    answer = half_open(8, LEFT.outer[4], lab.network.right, RIGHT.outer[4])
    expect(any(kind == COOKIE for kind, _ in answer), f"no cookie was demanded: {answer}")
    lab.right.initiate()
    ping_both_ways(lab, tunnel)


def refusal(lab, initiator, change, kind, needs_offer):
    """The ends are configured differently; no tunnel comes about, and Cygnet says why."""
    lab.needs_cygnet()
    lab.left.apply(Tunnel(), RIGHT)
    lab.right.apply(Tunnel().but(**change), LEFT)
    if initiator == "left":
        status, output = lab.left.try_initiate()
        expect(status != 0, f"`cygnet up` claims success: {output}")
    else:
        lab.right.try_initiate()
    expect(not lab.right.established(), "the tunnel came about")
    failure = wait_until(lab.left.failure, "status explains the failure", 3)
    text = " ".join(str(value) for value in failure.values()).lower()
    expect(kind in text, f"the explanation does not speak of the {kind}: {failure}")
    expect(failure.get("configurationLine"), f"no line to change: {failure}")
    if needs_offer:
        expect(failure.get("offered") or failure.get("accepted"), f"nothing offered: {failure}")
