"""Several children of one IKE SA, several selectors of one child, and key exchange for children."""

from Tests.Interop.collisions import settled, spend
from Tests.Interop.common import addresses, connect, ping_both_ways
from Tests.Interop.exchanges import ike_spis, spis
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

GROUPS = ("x25519", "ecp256", "ecp384", "modp2048", "modp3072", "modp4096")
# Further networks on either side, each with one address.
MORE = {"second": ("10.1.64.1", "10.2.64.1"), "third": ("10.1.65.1", "10.2.65.1")}
# Packets that a child of Cygnet's carries at most where it is to be replaced soon.
FEW = 300


def register(table):
    for role, initiator in (("initiate", "left"), ("respond", "right")):
        table.add(f"children/three/{role}", three, initiator=initiator)
        table.add(f"children/two-selectors-each/{role}", selectors, initiator=initiator, count=2)
        table.add(f"children/sixteen-selectors-each/{role}", selectors, initiator=initiator,
                  count=16)
    for side in ("peer", "cygnet"):
        table.add(f"children/one-of-three-deleted-by-{side}", delete_one, side=side)
    table.add("children/one-of-three-rekeyed-by-peer", rekey_one)
    table.add("children/ike-rekeyed-with-three", rekey_ike)
    table.add("children/all-at-boot", at_boot)
    table.add("children/each-on-traffic", on_traffic)
    table.add("children/by-dscp", by_dscp)
    for group in GROUPS:
        table.add(f"pfs/{group}/by-peer", pfs, group=group, side="peer")
        table.add(f"pfs/{group}/by-cygnet", pfs, group=group, side="cygnet")
    for side in ("peer", "cygnet"):
        table.add(f"pfs/other-group-wanted/by-{side}", other_group, side=side)


def further(lab):
    """The further networks, for the time of a block."""
    return addresses(lab, [ours for ours, _ in MORE.values()],
                     [theirs for _, theirs in MORE.values()])


def network(address):
    return address.rsplit(".", 1)[0] + ".0/24"


def apply(lab, start="by-hand", **peer):
    lab.needs_cygnet()
    tunnels = {name: [f"local: {network(ours)}", f"remote: {network(theirs)}", f"start: {start}",
                      "esp-proposals: aes256gcm16"]
               for name, (ours, theirs) in MORE.items()}
    children = [(name, {"local_ts": [network(theirs)], "remote_ts": [network(ours)]}.items())
                for name, (ours, theirs) in MORE.items()]
    words = {"by-hand": "manual", "at-boot": "boot", "on-traffic": "traffic"}
    tunnel = Tunnel(start=words[start])
    lab.right.apply(tunnel, LEFT, children=children, **peer)
    lab.left.apply(tunnel, RIGHT, tunnels=tunnels)
    return tunnel


def bring_up(lab, initiator="left"):
    tunnel = apply(lab)
    for name in ("net", *MORE):
        if initiator == "left":
            lab.left.initiate(tunnel=name)
        else:
            lab.right.initiate(child=name)
    settled(lab, 3)
    return tunnel


def ping_all(lab, names=("net", *MORE)):
    for name in names:
        ours, theirs = MORE.get(name, (LEFT.inner[4], RIGHT.inner[4]))
        expect_ping(lab.network.left, ours, theirs)
        expect_ping(lab.network.right, theirs, ours)


def three(lab, initiator):
    """Three tunnels, one IKE SA."""
    with further(lab):
        bring_up(lab, initiator)
        ping_all(lab)


def delete_one(lab, side):
    with further(lab):
        bring_up(lab)
        lab.right.delete_child("second") if side == "peer" else lab.left.delete_child("second")
        settled(lab, 2)
        ping_all(lab, ("net", "third"))
        ours, theirs = MORE["second"]
        expect(ping(lab.network.left, ours, theirs, count=1, wait=0.3) == 0,
               "the deleted tunnel carries")
        lab.left.initiate(tunnel="second")
        settled(lab, 3)
        ping_all(lab)


def rekey_one(lab):
    with further(lab):
        bring_up(lab)
        before = spis(lab)
        lab.right.rekey_child("second")
        wait_until(lambda: len(spis(lab) - before) == 1, "the new child")
        settled(lab, 3)
        expect(len(spis(lab) & before) == 2, "the other children were touched")
        ping_all(lab)


def rekey_ike(lab):
    """All children go along with the IKE SA."""
    with further(lab):
        bring_up(lab)
        before, ike_before = spis(lab), ike_spis(lab)
        lab.right.rekey_ike()
        wait_until(lambda: ike_spis(lab) and not ike_spis(lab) & ike_before, "the new IKE SA")
        settled(lab, 3)
        expect(spis(lab) == before, "children were replaced too")
        lab.right.rekey_child("third")
        wait_until(lambda: len(spis(lab) - before) == 1, "the new child")
        ping_all(lab)


def at_boot(lab):
    with further(lab):
        apply(lab, "at-boot")
        settled(lab, 3)
        ping_all(lab)


def on_traffic(lab):
    """Each packet brings its own tunnel up, in one IKE SA."""
    with further(lab):
        apply(lab, "on-traffic")
        for name in ("third", "net", "second"):
            ours, theirs = MORE.get(name, (LEFT.inner[4], RIGHT.inner[4]))
            expect_ping(lab.network.left, ours, theirs, count=1, wait=3)
        settled(lab, 3)
        ping_all(lab)


def selectors(lab, initiator, count):
    """One child for every pair of so many networks."""
    pairs = [(LEFT.inner[4], RIGHT.inner[4]),
             *((f"10.1.{number}.1", f"10.2.{number}.1") for number in range(100, 99 + count))]
    ours, theirs = zip(*pairs)
    with addresses(lab, ours[1:], theirs[1:]):
        connect(lab, Tunnel(left_networks=tuple(map(network, ours)),
                            right_networks=tuple(map(network, theirs))), initiator)
        expect(len(lab.right.established()) == 1, "more than one child")
        for left in (ours[0], ours[-1]):
            for right in (theirs[0], theirs[1], theirs[-1]):
                expect_ping(lab.network.left, left, right, count=1)


def pfs(lab, group, side):
    """A new key exchange with each rekey (RFC 7296 §1.3.1)."""
    lab.needs_cygnet()
    tunnel = Tunnel(esp=f"aes256gcm16-{group}")
    lab.left.apply(tunnel, RIGHT, tunnel=[f"lifetime-packets: {FEW}"] if side == "cygnet" else [])
    lab.right.apply(tunnel, LEFT)
    lab.left.initiate()
    wait_until(lab.right.established, "the peer has the child")
    before = spis(lab)
    if side == "peer":
        lab.right.rekey_child()
    else:
        spend(lab, FEW * 96 // 100)
    wait_until(lambda: spis(lab) and not spis(lab) & before, "the new child")
    child = lab.right.established()[-1]
    expect(child.get("dh-group", "").replace("CURVE_25519", "X25519").replace("_", "").lower()
           == group, f"the peer says the group is {child.get('dh-group')}")
    ping_both_ways(lab, tunnel)


def other_group(lab, side):
    """Who rekeys guesses a group that the other end does not have first (INVALID_KE_PAYLOAD)."""
    lab.needs_cygnet()
    two, one = Tunnel(esp="aes256gcm16-x25519-ecp256"), Tunnel(esp="aes256gcm16-ecp256")
    ours, theirs = (two, one) if side == "cygnet" else (one, two)
    lab.left.apply(ours, RIGHT, tunnel=[f"lifetime-packets: {FEW}"] if side == "cygnet" else [])
    lab.right.apply(theirs, LEFT)
    lab.left.initiate()
    wait_until(lab.right.established, "the peer has the child")
    before = spis(lab)
    if side == "peer":
        lab.right.rekey_child()
    else:
        spend(lab, FEW * 96 // 100)
    wait_until(lambda: spis(lab) and not spis(lab) & before, "the new child")
    expect(lab.right.established()[-1].get("dh-group") == "ECP_256", "another group")
    ping_both_ways(lab, ours)


def by_dscp(lab):
    """A peer that knows nothing of classes takes Child SAs of the same selectors, and packets by all."""
    lab.needs_cygnet()
    tunnel = Tunnel()
    lab.right.apply(tunnel, LEFT)
    lab.left.apply(tunnel, RIGHT, tunnel=("sa-per-dscp: [ef, af41]",))
    lab.left.initiate()
    settled(lab, 3)
    for _ in range(2):
        before = carried(lab)
        for traffic_class in (0, 46 << 2, 34 << 2):
            expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=5,
                        traffic_class=traffic_class)
        after = carried(lab)
        expect(all(after[spi] - before[spi] == 5 for spi in after),
               f"not five packets by each: {before} became {after}")
        spis_before = spis(lab)
        lab.right.rekey_child("net")
        wait_until(lambda: len(spis(lab) - spis_before) >= 1, "the new child")
        settled(lab, 3)
        ping_both_ways(lab, tunnel)


def carried(lab):
    """Packets sent so far by each pair."""
    return {child["inboundSPI"]: child["outbound"]["packets"] for child in lab.left.established()
            if child["isOutbound"]}
