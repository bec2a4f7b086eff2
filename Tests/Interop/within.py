"""What tunnels to the Linux kernel carry besides whole packets: fragments, ICMP errors, and streams over
a path that comes to carry less (RFC 4301 §6 to §8)."""

import hashlib
import json
import os
import re
import socket

from Tests.Lab.capture import Capture
from Tests.Lab.echo import expect_ping
from Tests.Lab.errors import INNER_ROUTER, LOST, Told, router_inside
from Tests.Lab.network import GUEST, INSIDE, LEFT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.tunnel import Tunnel

PORT = 9996
# More than the guest has for its own: it has the rest a hop further.
NETWORKS = ("10.3.0.0/16", "fd00:3::/48")
NOBODY = {4: "10.3.7.7", 6: "fd00:3:0:7::7"}
UNREACHABLE, EXCEEDED = {4: 3, 6: 1}, {4: 11, 6: 3}


def register(table):
    def add(name, action, /, **parameters):
        table.add(f"kernel/within/{name}", action, lane="first", **parameters)

    for version in (4, 6):
        add(f"fragments/ipv{version}", fragments, version=version)
        add(f"router-of-the-peer/ipv{version}", router_of_the_peer, version=version)
        add(f"peer-itself/ipv{version}", peer_itself, version=version)
        add(f"router-here/ipv{version}", router_here, version=version)
    for encapsulation in ("esp", "udp"):
        add(f"fragments-of-{encapsulation}", outer_fragments, encapsulation=encapsulation)
        add(f"path-mtu/{encapsulation}", path_mtu, encapsulation=encapsulation)


def connected(lab, tunnel=Tunnel(encapsulation="esp"), lines=()):
    """A tunnel between everything on the left and everything behind the guest."""
    lab.needs_cygnet()
    peer = lab.kernel()
    # Every error is wanted, not so many a second.
    lab.guest.run("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
    tunnel = tunnel.but(inner=(4, 6), right_networks=NETWORKS)
    lab.left.apply(tunnel, peer.site, tunnel=lines)
    # A lifetime without a time to rekey has the guest's kernel ask for new keys every second.
    peer.apply(tunnel, LEFT, child={"life_time": "0s"})
    lab.left.initiate()
    wait_until(lambda: peer.established() and lab.left.established(), "both ends have the child")
    return peer


ECHO = """
import socket
with socket.socket(socket.{family}, socket.SOCK_DGRAM) as server:
    server.bind(("{address}", {port}))
    server.settimeout(8)
    for _ in range({count}):
        data, source = server.recvfrom(65535)
        server.sendto(data[::-1], source)
"""


def begin(lab, text):
    """Runs a Python program in the guest, in the background."""
    lab.guest.run(f"cat > /tmp/within.py <<'END'\n{text}END\n"
                  "setsid python3 /tmp/within.py >/tmp/within.out 2>&1 </dev/null &")


def fragments(lab, version):
    """Datagrams of 8,000 octets, from the gateway and from a host behind it, which are fragmented before
    the tunnel on their way out, come back whole."""
    connected(lab)
    there = (GUEST.inner[version], PORT)
    begin(lab, ECHO.format(family="AF_INET6" if version == 6 else "AF_INET", address=there[0],
                           port=PORT, count=6))
    wait_until(lambda: f":{PORT}" in lab.guest.run("ss -Hlnu"), "the guest listens", 30)
    if version == 6:
        # No router fragments IPv6: a host first hears how much the tunnel carries.
        with lab.inside().udp(INSIDE[6]) as sender:
            sender.sendto(bytes(1400), there)
            wait_until(lambda: "mtu" in lab.inside().ip("-6", "route", "get", there[0]),
                       "the host hears what the tunnel carries", 10)
    for namespace, own in ((lab.network.left, LEFT.inner), (lab.inside(), INSIDE)):
        with namespace.udp(own[version]) as sender:
            sender.settimeout(10)
            for _ in range(3):
                body = os.urandom(8000)
                sender.sendto(body, there)
                expect(sender.recv(65535) == body[::-1], "it came back changed")
    wait_until(lambda: sum(sa["outbound"]["packets"] for sa in lab.left.established()) >= 36,
               "six packets for each datagram", 3)


def outer_fragments(lab, encapsulation):
    """Packets that are fragmented behind ESP are put together by the kernel before it opens them."""
    connected(lab, Tunnel(encapsulation=encapsulation), ["fragmentation: after"])
    # The device would have the kernel fragment before.
    lab.network.left.ip("link", "set", "cygnet0", "mtu", "4000")
    with Capture(lab.network.left, "wan") as capture:
        expect_ping(lab.network.left, LEFT.inner[4], GUEST.inner[4], size=3000,
                    may_be_cut=True)
    outgoing = capture.of("fragment", outgoing=True)
    expect(len(outgoing) >= 4, f"{len(outgoing)} fragments left: {capture.counts()}")
    protocol = 50 if encapsulation == "esp" else 17
    expect(all(frame.data[23] == protocol and frame.source == LEFT.outer[4] for frame in outgoing),
           f"left in fragments: {outgoing[:3]}")


SINK = """
import hashlib, socket
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("{address}", {port}))
listener.listen()
listener.settimeout(10)
stream, _ = listener.accept()
digest = hashlib.sha256()
while part := stream.recv(65536):
    digest.update(part)
stream.sendall(digest.digest())
stream.close()
"""


def path_mtu(lab, encapsulation):
    """The path comes to carry less while a stream runs over it: the router says so about ESP, the
    sender inside is told, and the stream arrives whole."""
    connected(lab, Tunnel(encapsulation=encapsulation))
    begin(lab, SINK.format(address=GUEST.inner[4], port=PORT))
    wait_until(lambda: f":{PORT}" in lab.guest.run("ss -Hlnt"), "the guest listens", 30)
    with lab.inside().socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
        stream.settimeout(10)
        stream.bind((INSIDE[4], 0))
        stream.connect((GUEST.inner[4], PORT))
        digest = hashlib.sha256()

        def send(count):
            for _ in range(count):
                data = os.urandom(1 << 16)
                digest.update(data)
                stream.sendall(data)

        send(8)
        before = stream.getsockopt(socket.IPPROTO_TCP, 2)  # TCP_MAXSEG
        lab.network.router.ip("link", "set", "lan", "mtu", "1300")
        try:
            send(16)
            stream.shutdown(socket.SHUT_WR)
            answer = stream.recv(100)
            after = stream.getsockopt(socket.IPPROTO_TCP, 2)
        finally:
            lab.network.router.ip("link", "set", "lan", "mtu", "1500")
    expect(answer == digest.digest(), "the stream arrived changed")
    expect(after < 1300 - 60 < before, f"segments of {before} octets, and then of {after}")
    known = next(sa["pathMTU"] for sa in lab.left.established() if sa["isOutbound"])
    expect(known == 1300, f"the SA is said to carry {known}")


def ask_nobody(lab, version):
    """Sends to a host behind the guest with so few hops that the guest says it got no further."""
    option = ((socket.IPPROTO_IP, socket.IP_TTL) if version == 4
              else (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS))
    with lab.inside().udp(INSIDE[version]) as sender:
        sender.setsockopt(*option, 2)
        sender.sendto(b"x", (NOBODY[version], PORT))


def speak_from(lab, version, source=None):
    """What the guest says to the left it says from the address, or from its outer one."""
    guest, back = lab.guest, LEFT.networks[version]
    gateway = guest.run(f"ip -{version} route show default").split()[2]
    guest.run(f"ip -{version} route del {back} 2>/dev/null; true")
    if source:
        guest.run(f"ip -{version} route add {back} via {gateway} dev vec0 src {source}")


def router_of_the_peer(lab, version):
    """An error from an address that the tunnel covers comes as any packet does."""
    connected(lab)
    speak_from(lab, version, GUEST.inner[version])
    try:
        expect_told(lab, version, GUEST.inner[version])
    finally:
        speak_from(lab, version)


def expect_told(lab, version, sender):
    with Told(lab.inside(), version) as told:
        ask_nobody(lab, version)
        heard = told.errors(5, enough=1)
    expect([error[:2] for error in heard] == [(sender, EXCEEDED[version])]
           and heard[0][3] == PORT, f"the host heard {heard}")


def peer_itself(lab, version):
    """From an address that the tunnel does not cover the kernel sends an error in clear, and it is not
    let in; told to go by what errors quote (XFRM_POLICY_ICMP), it sends it by the SA."""
    connected(lab)
    speak_from(lab, version)
    with Capture(lab.network.left, "wan") as capture, Told(lab.inside(), version) as told:
        ask_nobody(lab, version)
        wait_until(lambda: capture.of("icmp-error", outgoing=False), "the kernel answers in clear")
        heard = told.errors(0.5)
    expect(not heard, f"in clear came {heard}")
    text = lab.guest.run("ip xfrm policy")
    own = NETWORKS[0 if version == 4 else 1]
    found = re.search(rf"src {own} dst {LEFT.networks[version]} *\n\s+dir out priority (\d+) ptype main"
                      r" *\n\s+tmpl src (\S+) dst (\S+)\s+proto esp spi (\S+) reqid (\d+)", text)
    expect(found, f"the guest's policies are:\n{text}")
    priority, source, target, spi, request = found.groups()
    lab.guest.run(f"ip xfrm policy update src {own} dst {LEFT.networks[version]} dir out "
                  f"priority {priority} flag icmp tmpl src {source} dst {target} proto esp spi {spi} "
                  f"reqid {request} mode tunnel")
    # Over IPv4 it speaks from the address that was meant.
    expect_told(lab, version, NOBODY[4] if version == 4 else GUEST.outer[6])


ASK = """
import json, socket, time
family, level, option = {family}
with socket.socket(family, socket.SOCK_DGRAM) as sender:
    sender.setsockopt(level, option, 1)
    sender.bind(("{source}", 0))
    sender.setblocking(False)
    sender.sendto(b"x", ("{target}", {port}))
    heard = None
    for _ in range(100):
        try:
            _, ancillary, _, target = sender.recvmsg(100, 1000, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            time.sleep(0.05)
            continue
        error = ancillary[0][2]
        length, at = (4, 20) if family == socket.AF_INET else (16, 24)
        heard = [socket.inet_ntop(family, error[at:at + length]), error[5], target[1]]
        break
    print(json.dumps(heard))
"""


def router_here(lab, version):
    """A router here that no selector covers tells the guest; its kernel takes the error by what it
    quotes where the SA says so (XFRM_STATE_ICMP), which this key exchange does not."""
    peer = connected(lab)
    with router_inside(lab):
        spi = peer.established()[-1]["spi-in"]
        where = f"src {LEFT.outer[4]} dst {GUEST.outer[4]} proto esp spi 0x{spi}"
        state = lab.guest.run(f"ip xfrm state get {where}")
        request = re.search(r"reqid (\d+)", state)
        key = re.search(r"aead (\S+) (\S+) (\d+)", state)
        expect(request and key, f"the guest's SA is:\n{state}")
        lab.guest.run(f"ip xfrm state delete {where} && ip xfrm state add {where} "
                      f"reqid {request.group(1)} mode tunnel replay-window 32 flag af-unspec icmp "
                      f"aead '{key.group(1)}' {key.group(2)} {key.group(3)}")
        family = ("socket.AF_INET, socket.IPPROTO_IP, 11" if version == 4
                  else "socket.AF_INET6, socket.IPPROTO_IPV6, 25")
        text = ASK.format(family=family, source=GUEST.inner[version], target=LOST[version], port=PORT)
        heard = json.loads(lab.guest.run(f"python3 - <<'END'\n{text}END").strip())
    expect(heard == [INNER_ROUTER[version], UNREACHABLE[version], PORT], f"the guest heard {heard}")
