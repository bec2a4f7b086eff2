"""Both ends do something at the same moment: the network holds back IKE, and not ESP, until each has
a request under way; then the requests cross (RFC 7296 §2.8.1, §2.8.2, §2.25)."""

import time

from Tests.Interop.common import addresses, ping_both_ways
from Tests.Interop.exchanges import Counted, ike_spis, spis
from Tests.Lab.echo import expect_ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

# Long enough for both ends to begin, short enough for neither to give up, in seconds.
SILENCE = 0.9
QUICK = ["retransmission: { initial: 300ms, factor: 1.3, tries: 10 }"]
# Cygnet replaces a child when it has carried 86 to 95 in a hundred of this many packets, and an IKE
# SA when nearly this old, in seconds.
PACKETS, SPENT, IKE_LIFE = 4000, 0.952, 20
# Datagrams a second beside, so that what is left lasts longer than the silence.
RATE = 60
PFS = "aes256gcm16-x25519"
BOTH_SUITES = "aes256gcm16-prfsha256-x25519-ecp256"
OTHER_SUITE = "aes256gcm16-prfsha256-ecp256"
# A second child beside the first.
SECOND = [("second", {"local_ts": ["10.2.64.0/24"], "remote_ts": ["10.1.64.0/24"]}.items())]
SECOND_TUNNEL = {"second": ["local: 10.1.64.0/24", "remote: 10.2.64.0/24", "start: by-hand",
                            "esp-proposals: aes256gcm16"]}


def register(table):
    for esp, kind in ((None, ""), (PFS, "-pfs")):
        for held in (("left", "right"), ("left",), ("right",)):
            name = "both" if len(held) == 2 else f"{'ours' if held == ('left',) else 'theirs'}"
            table.add(f"collision/child-rekey{kind}-held-{name}", child_rekey, held=held, esp=esp)
    table.add("collision/child-rekey-against-their-delete", child_rekey_against_delete)
    table.add("collision/child-delete-against-their-rekey", child_delete_against_rekey)
    table.add("collision/child-delete-both", child_delete_both)
    table.add("collision/ike-delete-both", ike_delete_both)
    table.add("collision/ike-delete-against-their-child-rekey", ike_delete_against, what="child")
    table.add("collision/ike-delete-against-their-ike-rekey", ike_delete_against, what="ike")
    table.add("collision/child-rekey-against-their-ike-rekey", child_against_ike_rekey)
    for held in (("left", "right"), ("left",), ("right",)):
        name = "both" if len(held) == 2 else f"{'ours' if held == ('left',) else 'theirs'}"
        table.add(f"collision/ike-rekey-held-{name}", ike_rekey_both, held=held)
    table.add("collision/ike-rekey-against-their-child-rekey", ike_rekey_against_child)
    table.add("collision/ike-rekey-against-their-child-delete", ike_rekey_against,
              command="terminate", arguments={"child": "net", "timeout": "-1"}, children=0)
    table.add("collision/ike-rekey-against-their-new-child", ike_rekey_against,
              command="initiate", arguments={"child": "second"}, children=2)
    table.add("collision/ike-rekey-against-their-ike-delete", ike_rekey_against_delete)
    table.add("collision/ike-rekey-by-age-and-by-peer", by_age)
    table.add("collision/both-connect", both_connect)
    table.add("collision/same-packets-at-both-ends", same_packets)


def connected(lab, esp=None, tunnel=(), ike_life=0):
    lab.needs_cygnet()
    wanted = Tunnel(ike_rekey_seconds=ike_life)
    if esp:
        wanted = wanted.but(esp=esp)
    lab.left.apply(wanted, RIGHT, connection=QUICK, tunnel=list(tunnel))
    # The peer answers what is repeated, and waits as long as Cygnet does.
    lab.right.apply(wanted, LEFT, settings={"retransmit_tries": 8, "retransmit_base": 1.2})
    lab.left.initiate()
    wait_until(lab.right.established, "the peer has the child")
    return wanted


def spend(lab, packets):
    """Sends datagrams from the left to the right, about ten thousand a second. Somebody has the
    port there, or the answers would be counted too."""
    with lab.network.left.udp(LEFT.inner[4]) as socket, \
            lab.network.right.udp(RIGHT.inner[4], 9):
        for number in range(packets):
            socket.sendto(b"x" * 40, (RIGHT.inner[4], 9))
            if number % 20 == 19:
                time.sleep(0.002)
        time.sleep(0.3)


def settled(lab, children=1, redundant=0):
    """One IKE SA, so many children and the same ones at both ends. `redundant` is how many IKE SAs
    without a child may be left at the peer besides."""
    def agree():
        ours = {child["inboundSPI"].removeprefix("0x") for child in lab.left.established()
                if child["isOutbound"]}
        theirs = {child["spi-out"] for child in lab.right.established()}
        associations = lab.right.associations()
        childless = [association for association in associations
                     if not association.get("child-sas")]
        others = len(associations) - 1
        return (len([1 for association in associations if association["state"] == "ESTABLISHED"])
                and others <= min(redundant, len(childless))
                and len(ours) == children and theirs == ours
                and len(lab.right.established()) == children)
    wait_until(agree, f"both ends have the same {children} children and one IKE SA", 9)


def gone(lab):
    wait_until(lambda: not lab.left.established() and not lab.right.associations(),
               "both ends forget everything", 9)


def child_rekey(lab, held, esp):
    """Both ends rekey the same child; one of the new ones goes, no packet is lost."""
    tunnel = connected(lab, esp, [f"lifetime-packets: {PACKETS}"])
    before = spis(lab)
    traffic = Counted(lab, RATE)
    try:
        with lab.network.without_ike(*held):
            lab.right.begin("rekey", child="net")
            spend(lab, int(PACKETS * SPENT))
            time.sleep(SILENCE)
        wait_until(lambda: spis(lab) and not spis(lab) & before, "a new child in place of the old", 9)
        settled(lab)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here(besides=int(PACKETS * SPENT))
    ping_both_ways(lab, tunnel)


def child_rekey_against_delete(lab):
    """RFC 7296 §2.25.1: what the peer deletes, its end rekeys no more."""
    connected(lab, None, [f"lifetime-packets: {PACKETS}"])
    with lab.network.without_ike():
        spend(lab, int(PACKETS * SPENT))
        lab.right.begin("terminate", child="net", timeout="-1")
        time.sleep(SILENCE)
    time.sleep(0.6)
    # strongSwan answers the rekey with TEMPORARY_FAILURE or CHILD_SA_NOT_FOUND; either way nothing
    # is left that only one end knows.
    count = len(lab.right.established())
    settled(lab, count)
    lab.left.initiate()
    ping_both_ways(lab, Tunnel())


def child_delete_against_rekey(lab):
    connected(lab)
    with lab.network.without_ike():
        lab.right.begin("rekey", child="net")
        lab.left.begin("down", "peer/net")
        time.sleep(SILENCE)
    time.sleep(0.6)
    settled(lab, 0)
    lab.left.initiate()
    ping_both_ways(lab, Tunnel())


def child_delete_both(lab):
    connected(lab)
    with lab.network.without_ike():
        lab.right.begin("terminate", child="net", timeout="-1")
        lab.left.begin("down", "peer/net")
        time.sleep(SILENCE)
    settled(lab, 0)
    lab.left.initiate()
    settled(lab, 1)
    ping_both_ways(lab, Tunnel())


def ike_delete_both(lab):
    connected(lab)
    with lab.network.without_ike():
        lab.right.begin("terminate", ike="net", timeout="-1")
        lab.left.begin("down", "peer")
        time.sleep(SILENCE)
    gone(lab)
    lab.left.initiate()
    ping_both_ways(lab, Tunnel())


def ike_delete_against(lab, what):
    """The IKE SA goes while the peer rekeys it, or a child of it."""
    connected(lab)
    with lab.network.without_ike():
        lab.right.begin("rekey", **{"ike" if what == "ike" else "child": "net"})
        lab.left.begin("down", "peer")
        time.sleep(SILENCE)
    gone(lab)
    lab.left.initiate()
    settled(lab)
    ping_both_ways(lab, Tunnel())


def child_against_ike_rekey(lab):
    """RFC 7296 §2.25.2: the child waits until the IKE SA is replaced, and is replaced then."""
    tunnel = connected(lab, None, [f"lifetime-packets: {PACKETS}"])
    before, ike_before = spis(lab), ike_spis(lab)
    with lab.network.without_ike():
        lab.right.begin("rekey", ike="net")
        spend(lab, int(PACKETS * SPENT))
        time.sleep(SILENCE)
    wait_until(lambda: ike_spis(lab) and not ike_spis(lab) & ike_before, "the new IKE SA", 45)
    wait_until(lambda: spis(lab) and not spis(lab) & before, "the new child", 12)
    settled(lab)
    ping_both_ways(lab, tunnel)


def with_both_suites(lab):
    """A tunnel that a change of the configuration makes Cygnet rekey at once: the peer accepts both
    suites, Cygnet first the one and then the other."""
    lab.needs_cygnet()
    lab.right.apply(Tunnel(ike=BOTH_SUITES), LEFT, children=SECOND,
                    settings={"retransmit_tries": 8, "retransmit_base": 1.2})
    lab.left.apply(Tunnel(), RIGHT, connection=QUICK, tunnels=SECOND_TUNNEL)
    lab.left.initiate()
    wait_until(lab.right.established, "the peer has the child")


def rekey_ike_at_once(lab):
    lab.left.reload(Tunnel(ike=OTHER_SUITE), RIGHT, connection=QUICK, tunnels=SECOND_TUNNEL)


def replaced(lab, before):
    wait_until(lambda: ike_spis(lab) and not ike_spis(lab) & before, "the new IKE SA", 45)


def ike_rekey_both(lab, held):
    """Both ends rekey the IKE SA; the children go along with the one that stays."""
    with_both_suites(lab)
    before = ike_spis(lab)
    traffic = Counted(lab)
    try:
        with lab.network.without_ike(*held):
            lab.right.begin("rekey", ike="net")
            rekey_ike_at_once(lab)
            time.sleep(SILENCE)
        replaced(lab, before)
        # Whose answer was lost cannot delete the SA that it never heard of: strongSwan keeps that
        # for a while.
        settled(lab, redundant=1)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    ping_both_ways(lab, Tunnel())


def ike_rekey_against_child(lab):
    """RFC 7296 §2.25.1, §2.25.2: each end may ask the other to wait (TEMPORARY_FAILURE). Cygnet does
    not wait longer than five seconds; strongSwan does, for its child."""
    with_both_suites(lab)
    ike_before = ike_spis(lab)
    traffic = Counted(lab)
    try:
        with lab.network.without_ike():
            lab.right.begin("rekey", child="net")
            rekey_ike_at_once(lab)
            time.sleep(SILENCE)
        replaced(lab, ike_before)
        settled(lab)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    ping_both_ways(lab, Tunnel())


def ike_rekey_against(lab, command, arguments, children):
    """The IKE SA is rekeyed while the peer creates or deletes a child."""
    with addresses(lab, ["10.1.64.1"], ["10.2.64.1"]):
        with_both_suites(lab)
        before = ike_spis(lab)
        with lab.network.without_ike():
            lab.right.begin(command, **arguments)
            rekey_ike_at_once(lab)
            time.sleep(SILENCE)
        replaced(lab, before)
        settled(lab, children)
        if children:
            ping_both_ways(lab, Tunnel())
        if children == 2:
            expect_ping(lab.network.left, "10.1.64.1", "10.2.64.1")


def ike_rekey_against_delete(lab):
    """The peer deletes what Cygnet rekeys: it is gone, and can be had again."""
    with_both_suites(lab)
    with lab.network.without_ike():
        lab.right.begin("terminate", ike="net", timeout="-1")
        rekey_ike_at_once(lab)
        time.sleep(SILENCE)
    gone(lab)
    lab.left.initiate()
    settled(lab)
    ping_both_ways(lab, Tunnel())


def by_age(lab):
    """The same by the age of the IKE SA, so near its end that there is little time to agree: a second
    at least, of which the silence takes three tenths."""
    tunnel = connected(lab, ike_life=IKE_LIFE)
    before = ike_spis(lab)
    rekey = time.monotonic() + lab.left.connection()["ikeSA"]["rekeyInSeconds"]
    traffic = Counted(lab)
    try:
        time.sleep(max(0, rekey - 0.4 - time.monotonic()))
        with lab.network.without_ike():
            lab.right.begin("rekey", ike="net")
            time.sleep(max(0, rekey + 0.3 - time.monotonic()))
        replaced(lab, before)
        settled(lab)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    ping_both_ways(lab, tunnel)


def both_connect(lab):
    """Both ends begin at the same moment: in the end there is a tunnel that works."""
    lab.needs_cygnet()
    lab.left.apply(Tunnel(), RIGHT, connection=QUICK)
    lab.right.apply(Tunnel(), LEFT)
    with lab.network.without_ike():
        lab.right.begin()
        lab.left.begin("up", "peer/net")
        time.sleep(SILENCE)
    wait_until(lambda: lab.right.established() and lab.left.established(), "a child", 9)
    time.sleep(1)
    ping_both_ways(lab, Tunnel())
    newest = lab.left.connection()["ikeSA"]
    known = [association["initiator-spi"] for association in lab.right.associations()]
    expect(newest["initiatorSPI"] in known, "the ends have different IKE SAs")


def same_packets(lab):
    """Both ends count the same packets and rekey at the same limit, again and again."""
    tunnel = connected(lab, None, ["lifetime-packets: 1000"])
    lab.right.apply(tunnel, LEFT, settings={"retransmit_tries": 8, "retransmit_base": 1.2},
                    child={"rekey_packets": "900", "life_packets": "1000"}.items())
    lab.left.initiate()
    seen = set(spis(lab))
    traffic = Counted(lab)
    try:
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            seen |= spis(lab)
            time.sleep(0.1)
        settled(lab)
    finally:
        traffic.stop()
    traffic.expect_none_lost_here()
    expect(len(seen) >= 4, f"{len(seen)} children in eight seconds of 400 packets a second")
    ping_both_ways(lab, tunnel)
