"""IKE over TCP where UDP is blocked (RFC 9329), between two gateways."""

import contextlib
import os
import time

from Tests.Lab.cygnet import Cygnet
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel

QUICK = ["transport: auto", "udp-retry: 10s",
         "retransmission: {initial: 300ms, factor: 1.2, tries: 6}"]
PORT = 4500


def register(table):
    table.add("transport/udp-first", udp_first)
    table.add("transport/falls-back-to-tcp-and-returns", falls_back, mobile=False)
    table.add("transport/falls-back-to-tcp-and-returns, with MOBIKE", falls_back, mobile=True)
    table.add("transport/changes-within-one-ike-sa", within_one)
    table.add("transport/outlives-its-connection", outlives)
    table.add("transport/listens-only-where-wanted", listens)


@contextlib.contextmanager
def two_gateways(lab, left=(), right=(), common=QUICK, gateway=(), lines=(), tunnels=(),
                 **wanted):
    """Cygnet at both ends; the usual peer waits until the block ends. `lines` are more of the tunnel, and
    `tunnels` further ones of the left end."""
    lab.right.stop()
    other = Cygnet(lab.network.right, RIGHT, os.path.join(lab.folder, "right-gateway"))
    tunnel = Tunnel(start="traffic", **wanted)
    try:
        other.apply(tunnel, LEFT, gateway=gateway, connection=[*common, *right], tunnel=lines)
        lab.left.apply(tunnel, RIGHT, gateway=gateway, connection=[*common, *left], tunnel=lines,
                       tunnels=tunnels)
        yield other
    finally:
        other.kill()
        other.lift_guard()
        lab.right.start()


@contextlib.contextmanager
def without_udp(lab):
    """For the time of the block the router passes neither UDP 500 and 4500 nor ESP."""
    lab.network.router.run(
        "nft", "add table inet hotel; add chain inet hotel forward "
        "{ type filter hook forward priority 0; }; "
        "add rule inet hotel forward udp dport { 500, 4500 } drop; "
        "add rule inet hotel forward udp sport { 500, 4500 } drop; "
        "add rule inet hotel forward meta l4proto esp drop")
    try:
        yield
    finally:
        lab.network.router.run("nft", "delete table inet hotel", check=False)


def transport(gateway):
    """By what the IKE SA goes; None while there is none."""
    sa = gateway.connection().get("ikeSA")
    return sa and sa["transport"]


def listening(namespace):
    return f":{PORT}" in namespace.run("ss", "-Htln")


def streams(namespace):
    return namespace.run("ss", "-Htn", "state", "established", f"( dport = :{PORT} )").count("\n")


def begin(lab):
    lab.left.begin("up", "peer")


def udp_first(lab):
    """Where UDP passes, nothing goes by TCP."""
    with two_gateways(lab) as right:
        begin(lab)
        wait_until(lab.left.established, "the tunnel", 5)
        expect(transport(lab.left) == transport(right) == "udp", "not by UDP")
        expect(streams(lab.network.left) == 0, "a TCP connection that nobody needs")
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def falls_back(lab, mobile):
    mobike = [f"mobike: {'true' if mobile else 'false'}"]
    with two_gateways(lab, mobike, mobike) as right:
        with without_udp(lab):
            begin(lab)
            wait_until(lambda: transport(lab.left) == "tcp" and transport(right) == "tcp",
                       "the IKE SA by TCP", 10)
            expect(streams(lab.network.left) == 1, "not one connection")
            said = lab.left.namespace.run(lab.left.program, "status", "--socket", lab.left.socket)
            expect("by TCP" in said, f"status says: {said}")
            # UDP is tried meanwhile, and in vain.
            wait_until(lambda: "tried UDP again" in lab.left.read_log(), "a trial of UDP", 20)
            time.sleep(1)
            expect(transport(lab.left) == "tcp" and transport(right) == "tcp", "it did not stay")
        wait_until(lambda: transport(lab.left) == "udp" and transport(right) == "udp",
                   "the IKE SA by UDP again", 25)
        wait_until(lambda: streams(lab.network.left) == 0, "the end of the TCP connection", 5)
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)


def within_one(lab):
    """With MOBIKE, an IKE SA that stands goes to TCP and back, and its children stay."""
    extra = ["mobike: true", "liveness: 2s"]
    with two_gateways(lab, extra, extra) as right:
        begin(lab)
        wait_until(lab.left.established, "the tunnel", 5)
        spi = lab.left.connection()["ikeSA"]["initiatorSPI"]
        child = lab.left.established()[0]["inboundSPI"]
        with without_udp(lab):
            wait_until(lambda: transport(lab.left) == "tcp" and transport(right) == "tcp",
                       "the IKE SA by TCP", 15)
        wait_until(lambda: transport(lab.left) == "udp" and transport(right) == "udp",
                   "the IKE SA by UDP again", 25)
        expect(lab.left.connection()["ikeSA"]["initiatorSPI"] == spi, "another IKE SA")
        expect(lab.left.established()[0]["inboundSPI"] == child, "another Child SA")
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], wait=3)


def outlives(lab):
    """A connection that is reset is opened anew, by the end that opened it, for the same SA."""
    with two_gateways(lab, ["mobike: false"], ["mobike: false"]) as right, without_udp(lab):
        begin(lab)
        wait_until(lambda: transport(right) == "tcp", "the IKE SA by TCP", 10)
        spi = right.connection()["ikeSA"]["responderSPI"]
        before = right.connection()["ikeSA"]["remoteEndpoint"]
        lab.network.right.run("ss", "-K", "sport", "=", f":{PORT}", check=False)
        if streams(lab.network.left) and \
                right.connection()["ikeSA"]["remoteEndpoint"] == before:
            # A kernel that cannot destroy sockets: the router answers with a reset.
            reset(lab, right, before)
        wait_until(lambda: right.connection()["ikeSA"]["remoteEndpoint"] != before,
                   "another connection", 15)
        expect(right.connection()["ikeSA"]["responderSPI"] == spi, "another IKE SA")
        expect(transport(right) == "tcp", "not by TCP")


def reset(lab, right, before):
    lab.network.router.run(
        "nft", "add table inet reset; add chain inet reset forward "
        "{ type filter hook forward priority 0; }; "
        f"add rule inet reset forward tcp sport {before.rsplit(':', 1)[1]} reject with tcp reset")
    try:
        lab.left.begin("down", "peer/net")
        wait_until(lambda: right.connection()["ikeSA"]["remoteEndpoint"] != before,
                   "another connection", 10)
    finally:
        lab.network.router.run("nft", "delete table inet reset", check=False)


def listens(lab):
    """A TCP port is open as long as a connection may use it, and what cannot be carried is said."""
    tunnel = Tunnel()
    lab.left.apply(tunnel, RIGHT)
    expect(not listening(lab.network.left), "a port is open that nothing needs")
    lab.left.reload(tunnel, RIGHT, connection=["transport: auto"])
    expect(listening(lab.network.left), "no port is open")
    lab.left.reload(tunnel, RIGHT)
    wait_until(lambda: not listening(lab.network.left), "the port is closed", 2)
    lab.left.write(tunnel, RIGHT, connection=["transport: tpc"])
    status, text = status_of(lab.left.program, "check", lab.left.file)
    expect(status != 0 and "cygnet.yaml:" in text and "tcp" in text, f"check says: {text}")
