"""ICMP errors about protected packets: they show those packets' headers, and pass by the SA of what they
quote or not at all, whoever sends them (RFC 4301 §6.2)."""

import contextlib
import ipaddress
import random
import socket
import struct
import threading
import time

from Tests.Lab.capture import UNPROTECTED, Capture
from Tests.Lab.errors import INNER_ROUTER, LOST, Told, raw_sender, router_inside
from Tests.Lab.frames import Wire, icmp_error, protocol_packet, udp_packet
from Tests.Lab.network import INSIDE, LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel
from Tests.Namespaces.transports import begin, two_gateways

PORT, OTHER_PORT = 7777, 7778
STRANGER = {4: "203.0.113.9", 6: "2001:db8:77::9"}


def register(table):
    for version in (4, 6):
        for name, action in (
                ("inner-router", inner_router), ("own-address-outside", own_address_outside),
                ("tunnel-for-a-port", tunnel_for_a_port), ("transport-mode", transport_mode),
                ("quotations", quotations), ("without-the-daemon", without_the_daemon),
                ("marked-by-others", marked_by_others), ("one-bit-mask", one_bit_mask),
                ("discarded-by-default", discarded_by_default), ("forged-outside", forged)):
            table.add(f"guard/errors/{name}/ipv{version}", action, version=version)
        table.add(f"guard/errors/many-policies/ipv{version}", many_policies, version=version)
        table.add(f"guard/errors/replaced/ipv{version}", replaced, version=version)
    table.add("guard/errors/redirects", redirects)
    table.add("guard/errors/own-redirect", own_redirect)


@contextlib.contextmanager
def gateways(lab, **wanted):
    """Cygnet at both ends, with a tunnel up between them."""
    with two_gateways(lab, common=(), **{"inner": (4, 6), **wanted}) as right:
        begin(lab)
        wait_until(lab.left.established, "the tunnel", 5)
        yield right


def of_port(port, version):
    """A tunnel for one UDP port at the left, and nothing else."""
    return {"left_networks": (f"{LEFT.networks[version]}[udp/{port}]",),
            "right_networks": (f"{RIGHT.networks[version]}[udp]",)}


def about(capture, version):
    """Errors that left in clear towards the other side's inner network."""
    return [frame for frame in capture.frames if frame.is_outgoing and frame.version == version
            and frame.target in (RIGHT.inner[version], RIGHT.outer[version])
            and frame.kind in ("icmp-error", "clear")]


def send(lab, version, target, port, hops=None, source=None):
    """From the right's inner address."""
    with lab.network.right.udp(source or RIGHT.inner[version]) as sender:
        if hops:
            sender.setsockopt(*((socket.IPPROTO_IP, socket.IP_TTL) if version == 4 else
                                (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)), hops)
        sender.sendto(b"secret", (target, port))


def expect_by_tunnel(lab, version, sender, action, kinds):
    """What `action` brings about is an error of `sender` that comes by the SA."""
    with Capture(lab.network.left, "wan") as capture, Told(lab.network.right, version) as told:
        action()
        heard = told.errors(3, enough=len(kinds))
        # What else comes or leaves does so at once.
        heard += told.errors(0.2)
        capture.stop()
    left = about(capture, version)
    expect(not left, f"left in clear: {left}")
    expect([error[:2] for error in heard] == [(sender, kind) for kind in kinds],
           f"by the SA came {heard}")


UNREACHABLE = {4: 3, 6: 1}
EXCEEDED = {4: 11, 6: 3}


def inner_router(lab, version):
    """A router inside, which no selector covers, says that a host is not there."""
    with router_inside(lab), gateways(lab):
        expect_by_tunnel(lab, version, INNER_ROUTER[version],
                         lambda: send(lab, version, LOST[version], PORT), [UNREACHABLE[version]])


def own_address_outside(lab, version):
    """The gateway itself, which has no address in the tunnel's networks: its kernel's errors."""
    # The kernel takes the one of the way to who is told, or of the way to who was meant.
    own = LEFT.outer[4] if version == 4 else INNER_ROUTER[6][:-1] + "1"
    with without_inner_address(lab, version), router_inside(lab), gateways(lab):
        expect_by_tunnel(lab, version, own,
                         lambda: send(lab, version, LOST[version], PORT, hops=1),
                         [EXCEEDED[version]])


@contextlib.contextmanager
def without_inner_address(lab, version):
    """The left gateway has no address in the networks of its tunnel."""
    left = lab.network.left
    host = f"{LEFT.inner[version]}/{32 if version == 4 else 128}"
    left.ip("addr", "del", host, "dev", "lo")
    try:
        yield
    finally:
        left.ip("addr", "add", host, "dev", "lo", *(["nodad"] if version == 6 else []))


def tunnel_for_a_port(lab, version):
    """The tunnel is for UDP of one port: an error about it is ICMP, and goes the same way; one about
    another port, which is in clear by right, goes in clear."""
    lab.inside()
    with gateways(lab, **of_port(PORT, version)):
        expect_by_tunnel(lab, version, INSIDE[version],
                         lambda: send(lab, version, INSIDE[version], PORT), [UNREACHABLE[version]])
        with Capture(lab.network.left, "wan") as capture, Told(lab.network.right, version) as told:
            send(lab, version, INSIDE[version], OTHER_PORT)
            heard = told.errors(3, enough=1) + told.errors(0.2)
        expect([error[0] for error in heard] == [INSIDE[version]],
               f"about a packet that no policy protects came {heard}")
        expect(about(capture, version), "it did not come in clear")


def transport_mode(lab, version):
    """The same between the gateways themselves, in transport mode."""
    networks = {"left_networks": (f"{LEFT.outer[version]}[udp/{PORT}]",),
                "right_networks": (f"{RIGHT.outer[version]}[udp]",), "outer": version}
    with gateways(lab, lines=["mode: transport"], encapsulation="auto", **networks):
        expect_by_tunnel(lab, version, LEFT.outer[version],
                         lambda: send(lab, version, LEFT.outer[version], PORT,
                                      source=RIGHT.outer[version]), [UNREACHABLE[version]])


def shapes(version, port):
    """The packet from the right to the left's port, as errors may quote it: whole, and in ways that
    hide its port or cut it off."""
    whole = udp_packet(RIGHT.inner[version], INSIDE[version], 1234, port, b"secret")
    if version == 4:
        yield "options", bytes([0x46]) + whole[1:20] + bytes([1, 1, 1, 1]) + whole[20:]
        yield "fragment behind the first", whole[:6] + struct.pack("!H", 9) + whole[8:]
        yield "cut behind the header", whole[:20]
    else:
        yield "hop-by-hop options", (whole[:6] + b"\0" + whole[7:40] + bytes([17, 0, 1, 4]) + bytes(4)
                                     + whole[40:])
        yield "fragment behind the first", (whole[:6] + b"\x2c" + whole[7:40]
                                            + struct.pack("!BBHI", 17, 0, 8 << 3, 7) + whole[40:])
        yield "cut behind the header", whole[:40]
    yield "cut behind the ports", whole[:44 if version == 6 else 24]
    yield "whole", whole


def quotations(lab, version):
    """However an error quotes a packet of the port, it does not leave in clear; what shows another
    port does."""
    host = lab.inside()
    with gateways(lab, **of_port(PORT, version)), raw_sender(host, version) as sender:
        for port, is_protected in ((PORT, True), (OTHER_PORT, False)):
            for name, quoted in shapes(version, port):
                if not is_protected and name not in ("whole", "cut behind the ports"):
                    continue
                with Capture(lab.network.left, "wan") as capture:
                    sender.sendto(icmp_error(INNER_ROUTER[version], RIGHT.inner[version], quoted),
                                  (RIGHT.inner[version], 0))
                    if not is_protected:
                        wait_until(lambda: about(capture, version), f"about port {port}, {name}")
                    time.sleep(0.1)
                left = about(capture, version)
                expect(bool(left) != is_protected,
                       f"about port {port}, {name}: in clear left {left or 'nothing'}")


def sent_error(lab, version, least=0):
    """What leaves in clear when the inner router tells of a protected packet; so many at least are
    waited for."""
    quoted = udp_packet(RIGHT.inner[version], INSIDE[version], 1234, PORT, b"secret")
    with Capture(lab.network.left, "wan") as capture, \
            raw_sender(lab.inside(), version) as sender:
        for _ in range(5):
            sender.sendto(icmp_error(INNER_ROUTER[version], RIGHT.inner[version], quoted),
                          (RIGHT.inner[version], 0))
        wait_until(lambda: len(about(capture, version)) >= least, f"{least} errors leave in clear")
        time.sleep(0.2)
    return about(capture, version)


def without_the_daemon(lab, version):
    """Rules and filter hold when the gateway is gone, and the filter alone when the rules are."""
    lab.left.apply(Tunnel(inner=(4, 6)), RIGHT)
    lab.left.kill()
    expect(not sent_error(lab, version), "an error left in clear")
    for priority in {line.split(":")[0] for line in lab.network.left.ip(
            f"-{version}", "rule", "show", "table", "4367").splitlines()}:
        lab.network.left.ip(f"-{version}", "rule", "del", "priority", priority)
    expect(not sent_error(lab, version), "an error left in clear without the rules")
    lab.left.guard("lift")
    expect(len(sent_error(lab, version, least=5)) == 5, "nothing left although the guard is lifted")


def replaced(lab, version):
    """While the guard is put in its own place again and again, errors without end find no moment in
    which its sets are not filled yet."""
    lab.left.write(Tunnel(inner=(4, 6)), RIGHT)
    lab.left.guard("set")
    quoted = udp_packet(RIGHT.inner[version], INSIDE[version], 1234, PORT, b"secret")
    error = icmp_error(INNER_ROUTER[version], RIGHT.inner[version], quoted)
    is_running, sent = True, 0

    def send_without_end(sender):
        nonlocal sent
        while is_running:
            sender.sendto(error, (RIGHT.inner[version], 0))
            sent += 1

    with Capture(lab.network.left, "wan", UNPROTECTED) as capture, \
            raw_sender(lab.inside(), version) as sender:
        thread = threading.Thread(target=send_without_end, args=(sender,))
        thread.start()
        try:
            for _ in range(60):
                lab.left.guard("set")
        finally:
            is_running = False
            thread.join()
    expect(sent > 20000, f"{sent} errors in all prove little")
    left = about(capture, version)
    expect(not left, f"of {sent} errors left in clear {len(left)}, as {left[:3]}")
    tables = lab.network.left.run("nft", "list", "tables")
    expect("cygnet_guard_next" not in tables, f"the table that stood in is still there: {tables}")


def marked_by_others(lab, version):
    """Another program's mark, set behind the guard's, opens nothing."""
    lab.left.apply(Tunnel(inner=(4, 6)), RIGHT)
    lab.network.left.run(
        "nft", "add table inet others; add chain inet others prerouting "
        "{ type filter hook prerouting priority -150; }; "
        "add rule inet others prerouting meta mark set 1")
    try:
        expect(not sent_error(lab, version), "an error left in clear")
    finally:
        lab.network.left.run("nft", "delete table inet others", check=False)


def one_bit_mask(lab, version):
    """Without a second mark errors are dropped instead."""
    lab.left.apply(Tunnel(inner=(4, 6)), RIGHT,
                   gateway=["firewall-mark: 0x1", "firewall-mask: 0x1"])
    expect(not sent_error(lab, version), "an error left in clear")


def discarded_by_default(lab, version):
    """Errors pass by the SA where everything else is discarded, for all that the filter says of
    others who come from inside."""
    with router_inside(lab), gateways(lab, gateway=["default-policy: discard"]):
        expect_by_tunnel(lab, version, INNER_ROUTER[version],
                         lambda: send(lab, version, LOST[version], PORT), [UNREACHABLE[version]])


def forged(lab, version):
    """From outside, in clear, an error about what the tunnel carries is not believed; about what no
    policy protects it passes."""
    host = lab.inside()
    lab.left.apply(Tunnel(inner=(4, 6)), RIGHT)
    for target, passes in ((RIGHT.inner[version], False), (STRANGER[version], True)):
        quoted = udp_packet(INSIDE[version], target, 1234, PORT, b"")
        with Wire(lab.network) as wire, Told(host, version) as told:
            wire.send(icmp_error(STRANGER[version], INSIDE[version], quoted))
            heard = told.errors(2 if passes else 0.3, enough=1)
        expect(bool(heard) == passes, f"about a packet to {target} the host heard {heard}")


def own_redirect(lab):
    """What comes by one tunnel and leaves by another has the kernel tell the sender of a better way,
    which there is not, and in clear, if it may."""
    further = "10.5.0.0/24"
    with without_inner_address(lab, 4), \
            gateways(lab, left_networks=(LEFT.networks[4], further), inner=(4,),
                     tunnels={"more": [f"local: {RIGHT.networks[4]}", f"remote: {further}",
                                       "start: by-hand"]}):
        with Capture(lab.network.left, "wan") as capture:
            for _ in range(3):
                send(lab, 4, "10.5.0.1", PORT)
            wait_until(lambda: counted(lab.network.left, "Icmp", "OutRedirects") > 0,
                       "the kernel redirects somebody")
            time.sleep(0.3)
        expect(not about(capture, 4), f"left in clear: {about(capture, 4)}")


def counted(namespace, group, name):
    """One of the kernel's counters."""
    names, values = (line.split() for line in namespace.run("cat", "/proc/net/snmp").splitlines()
                     if line.startswith(f"{group}:"))
    return int(values[names.index(name)])


def redirects(lab):
    """Quenches and redirects quote a header as well. No SA carries them unasked."""
    lab.left.apply(Tunnel(inner=(4, 6)), RIGHT)
    quoted = udp_packet(RIGHT.inner[4], INSIDE[4], 1234, PORT, b"secret")
    with Capture(lab.network.left, "wan") as capture, raw_sender(lab.inside(), 4) as sender:
        for kind in (4, 5, 12, 40):
            sender.sendto(icmp_error(INNER_ROUTER[4], RIGHT.inner[4], quoted, kind),
                          (RIGHT.inner[4], 0))
        # Whatever is no error, and comes from the same place, is in clear by right.
        sender.sendto(protocol_packet(INNER_ROUTER[4], RIGHT.inner[4], 1,
                                      bytes([8, 0, 0xF7, 0xFF]) + bytes(4)), (RIGHT.inner[4], 0))
        wait_until(lambda: about(capture, 4), "the echo request leaves")
        time.sleep(0.2)
    left = about(capture, 4)
    expect(len(left) == 1 and left[0].data[34] == 8, f"left in clear: {left}")


def many_policies(lab, version):
    """Of policies that overlap in every way, the first that covers the quoted packet decides about the
    error, as a list that is walked along says."""
    chance = random.Random(4301 + version)
    host = lab.inside()
    policies = [drawn(chance, version) for _ in range(40)]
    expect({policy[0] for policy in policies} == {"protect", "bypass"}, "one kind of policy alone")
    write(lab, policies, version)
    lab.left.guard("set")
    packets = {}
    for _ in range(250):
        packet = (chance.choice(FAR[version]), chance.choice(NEAR[version]), chance.choice((6, 17)),
                  chance.choice(PORTS), chance.choice(PORTS))
        packets[packet] = verdict(policies, packet)
    with Capture(lab.network.left, "wan") as capture, raw_sender(host, version) as sender:
        for far, near, protocol, far_port, near_port in packets:
            quoted = udp_packet(far, near, far_port, near_port, b"secret")
            at = 9 if version == 4 else 6
            quoted = quoted[:at] + bytes([protocol]) + quoted[at + 1:]
            sender.sendto(icmp_error(INNER_ROUTER[version], far, quoted), (far, 0))
        start = 14 + (28 if version == 4 else 48)
        meant = {packet for packet, action in packets.items() if action != "protect"}

        def gone():
            return {packet_of(frame.data[start:], version) for frame in list(capture.frames)
                    if frame.is_outgoing and frame.source == INNER_ROUTER[version]}

        wait_until(lambda: gone() >= meant, "what may leave leaves")
        time.sleep(0.3)
    left = gone()
    expect(left == meant, f"in clear left {sorted(left - meant)}, and {sorted(meant - left)} did not")
    expect(20 < len(meant) < len(packets) - 20, f"{len(meant)} of {len(packets)} are in clear by right")


PORTS = (53, 443, 7777)
NEAR_NETWORKS = {4: ("10.1.0.0/24", "10.1.0.0/25", "10.1.0.64/26", "10.1.0.77/32"),
                 6: ("fd00:1::/64", "fd00:1::/65", "fd00:1::40/122", "fd00:1::77/128")}
FAR_NETWORKS = {4: ("10.2.0.0/16", "10.2.0.0/17", "10.2.1.0/24", "10.2.1.128/25", "10.2.1.200/32"),
                6: ("fd00:2::/48", "fd00:2::/49", "fd00:2:0:1::/64", "fd00:2:0:1:8000::/65",
                    "fd00:2:0:1:8000::200/128")}
NEAR = {4: ("10.1.0.77", "10.1.0.66", "10.1.0.9", "10.1.0.200"),
        6: ("fd00:1::77", "fd00:1::66", "fd00:1::9", "fd00:1::8000:0:0:200")}
FAR = {4: ("10.2.1.200", "10.2.1.201", "10.2.1.9", "10.2.9.9", "10.2.200.9"),
       6: ("fd00:2:0:1:8000::200", "fd00:2:0:1:8000::201", "fd00:2:0:1::9", "fd00:2:0:9::9",
           "fd00:2:0:8000::9")}


def drawn(chance, version):
    """A policy: (action, local and remote network, protocol or 0, local and remote port or None)."""
    protocol = chance.choice((0, 6, 17))
    # Most are narrow, so that the first does not decide about everything.
    near, far = (max(chance.sample(networks[version], 2), key=lambda text: int(text.split("/")[1]))
                 for networks in (NEAR_NETWORKS, FAR_NETWORKS))
    return (chance.choice(("protect", "bypass")), near, far, protocol,
            *(chance.choice((None, *PORTS)) if protocol else None for _ in range(2)))


def verdict(policies, packet):
    far, near, *rest = packet
    for action, local, remote, protocol, local_port, remote_port in policies:
        if (ipaddress.ip_address(near) in ipaddress.ip_network(local)
                and ipaddress.ip_address(far) in ipaddress.ip_network(remote)
                and protocol in (0, rest[0]) and remote_port in (None, rest[1])
                and local_port in (None, rest[2])):
            return action
    return "nothing"


def packet_of(octets, version):
    """The packet that an error quotes."""
    family, at, length, upper = ((socket.AF_INET, 12, 4, 20) if version == 4
                                 else (socket.AF_INET6, 8, 16, 40))
    far, near = (socket.inet_ntop(family, octets[place:place + length])
                 for place in (at, at + length))
    return far, near, octets[9 if version == 4 else 6], *struct.unpack_from("!HH", octets, upper)


def write(lab, policies, version):
    names = {6: "tcp", 17: "udp"}
    tunnels, order = {}, []
    for number, (action, local, remote, protocol, local_port, remote_port) in enumerate(policies):
        if action == "protect":
            ends = {"local": (local, local_port), "remote": (remote, remote_port)}
            tunnels[f"t{number}"] = [
                f"{side}: '{network}" + (f"[{names[protocol]}{f'/{port}' if port else ''}]'"
                                         if protocol else "'")
                for side, (network, port) in ends.items()] + ["start: by-hand"]
            order.append(f"  - protect: peer/t{number}")
        else:
            words = [f"local: '{local}'", f"remote: '{remote}'"]
            words += [f"protocol: {names[protocol]}"] if protocol else []
            words += [f"{side}-port: {port}" for side, port in (
                ("local", local_port), ("remote", remote_port)) if port]
            order.append(f"  - bypass: {{{', '.join(words)}}}")
    first = Tunnel(left_networks=("10.1.99.0/24",), right_networks=("10.2.99.0/24",))
    lab.left.write(first, RIGHT, tunnels=tunnels,
                   top=["policies:", *order, "  - protect: peer/net"])
