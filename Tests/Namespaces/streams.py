"""Tunnels along a TCP connection where UDP is blocked (RFC 9329), between two gateways."""

import contextlib
import hashlib
import os
import socket
import struct
import threading
import time

from Tests.Lab.capture import Capture
from Tests.Lab.cases import Skip
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, wait_until
from Tests.Lab.traffic import Flow
from Tests.Namespaces.transports import PORT, QUICK, begin, streams, transport, two_gateways, without_udp

ALONE = ["transport: tcp", QUICK[-1]]
# What may pass the wire between the gateways beside the connection is nothing of the tunnel's.
BESIDE = f"ip and not tcp port {PORT} and not udp port 500 and not udp port 4500"


def register(table):
    table.add("stream/carries-a-tunnel", carries)
    table.add("stream/carries-a-tunnel, several workers", several)
    table.add("stream/begins-by-traffic, TCP alone", alone)
    table.add("stream/rekeys-under-traffic", rekeys)
    table.add("stream/comes-back-when-cut", cut, mobile=False)
    table.add("stream/comes-back-when-cut, with MOBIKE", cut, mobile=True)
    table.add("stream/traffic-follows-to-udp-and-back", follows)
    table.add("stream/keeps-its-delay-under-load", delay)
    table.add("stream/nothing-in-clear-when-killed", killed)
    table.add("stream/ends-with-its-tunnel", ends)
    table.add("stream/between-protected-hosts", between_hosts)


@contextlib.contextmanager
def by_tcp(lab, *extra, alone=False, **wanted):
    """Two gateways whose IKE SA is up, with its tunnel, along a TCP connection."""
    with contextlib.ExitStack() as stack:
        right = stack.enter_context(two_gateways(
            lab, extra, extra, ALONE if alone else QUICK, **wanted))
        if not alone:
            stack.enter_context(without_udp(lab))
        begin(lab)
        wait_until(lambda: transport(lab.left) == "tcp" and lab.left.established()
                   and right.established(), "the tunnel by TCP", 10)
        yield right


def both_ways(lab, **options):
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], **options)
    expect_ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4], **options)


def transfer(source, source_address, sink, sink_address, octets):
    """Sends so much by one TCP connection through the tunnel; returns bits a second."""
    content = os.urandom(1 << 20)
    expected, found = hashlib.sha256(), hashlib.sha256()
    with sink.socket(socket.AF_INET, socket.SOCK_STREAM) as listener, \
            source.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((sink_address, 7800))
        listener.listen()
        listener.settimeout(5)

        def receive():
            taken, _ = listener.accept()
            with taken:
                while data := taken.recv(1 << 18):
                    found.update(data)

        thread = threading.Thread(target=receive)
        thread.start()
        stream.settimeout(30)
        stream.bind((source_address, 0))
        stream.connect((sink_address, 7800))
        began = time.monotonic()
        for _ in range(octets >> 20):
            stream.sendall(content)
            expected.update(content)
        stream.shutdown(socket.SHUT_WR)
        thread.join(30)
        took = time.monotonic() - began
    expect(expected.digest() == found.digest(), "what arrived is not what was sent")
    return octets * 8 / took


def carries(lab):
    """Traffic of every size both ways, in bulk too, and nothing of it beside the connection."""
    with by_tcp(lab) as right:
        with Capture(lab.network.left, "wan", BESIDE) as capture:
            both_ways(lab, count=10)
            both_ways(lab, size=1300, may_be_cut=False)
            both_ways(lab, size=8000)
            there = transfer(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4], 64 << 20)
            back = transfer(lab.network.right, RIGHT.inner[4], lab.network.left, LEFT.inner[4], 64 << 20)
        print(f"    {there / 1e6:.0f} and {back / 1e6:.0f} Mbit/s by TCP in TCP")
        expect(min(there, back) > 20e6, f"only {there / 1e6:.1f} and {back / 1e6:.1f} Mbit/s")
        expect(not capture.frames, f"beside the connection: {capture.frames[:3]}")
        expect(streams(lab.network.left) == 1, "not one connection")
        expect("in TCP" in lab.left.established()[0].get("traits", []), "status does not say TCP")
        for gateway in (lab.left, right):
            expect(gateway.drops().get("datagram-unsent", 0) == 0, "packets found no way out")


def several(lab):
    """The workers that have not the connection give what is theirs to the one that has it."""
    with by_tcp(lab, gateway=["workers: 3"], child_rekey_seconds=5) as right:
        seen = set()

        def is_rekeyed():
            both_ways(lab, count=3)
            seen.update(pair["inboundSPI"] for pair in lab.left.established())
            return len(seen) > 3

        there = transfer(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4], 32 << 20)
        wait_until(is_rekeyed, "other SAs", 30, every=0.5)
        back = transfer(lab.network.right, RIGHT.inner[4], lab.network.left, LEFT.inner[4], 32 << 20)
        print(f"    {there / 1e6:.0f} and {back / 1e6:.0f} Mbit/s by TCP in TCP")
        expect(transport(right) == "tcp" and streams(lab.network.left) == 1, "not one connection")


def alone(lab):
    """`transport: tcp` needs no UDP at all; the first packet brings the tunnel up."""
    with two_gateways(lab, common=ALONE) as right:
        expect(ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1, wait=5) == 1,
               "the packet that began the tunnel is lost")
        expect(transport(lab.left) == transport(right) == "tcp", "not by TCP")
        both_ways(lab)


def rekeys(lab):
    """Successors of Child SAs and IKE SAs take over without the loss of a packet."""
    with by_tcp(lab, "ike-lifetime: 12s", alone=True, child_rekey_seconds=5) as right:
        spi = lab.left.connection()["ikeSA"]["initiatorSPI"]
        flows = [
            Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4]).start(),
            Flow(lab.network.right, RIGHT.inner[4], lab.network.left, LEFT.inner[4],
                 port=7100).start()]
        children = set()

        def is_rekeyed():
            children.update(pair["inboundSPI"] for pair in lab.left.established())
            return lab.left.connection()["ikeSA"]["initiatorSPI"] != spi and len(children) > 3

        try:
            wait_until(is_rekeyed, "other SAs", 25, every=0.2)
            time.sleep(0.5)
        finally:
            for flow in flows:
                flow.stop()
        expect(transport(lab.left) == transport(right) == "tcp", "not by TCP any more")
        expect(streams(lab.network.left) == 1, "not one connection")
        for flow in flows:
            expect(flow.missing == 0 and flow.duplicates == 0,
                   f"{flow.missing} of {flow.sent} lost, {flow.duplicates} twice")


def cut(lab, mobile):
    """A connection that is reset is opened anew, and the tunnel goes on along it."""
    with by_tcp(lab, f"mobike: {'true' if mobile else 'false'}") as right:
        child = lab.left.established()[0]["inboundSPI"]
        flow = Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4]).start()
        try:
            for _ in range(3):
                before = right.connection()["ikeSA"]["remoteEndpoint"]
                destroy(lab, before.rsplit(":", 1)[1])
                wait_until(lambda: right.connection()["ikeSA"]["remoteEndpoint"] != before,
                           "another connection", 10)
                wait_until(lambda: ping(lab.network.right, RIGHT.inner[4], LEFT.inner[4],
                                        count=1) == 1, "traffic along it", 5)
        finally:
            flow.stop()
        expect(lab.left.established()[0]["inboundSPI"] == child, "another Child SA")
        expect(streams(lab.network.left) == 1, "not one connection")
        # Three times the few moments between the reset and the first packet along the next.
        expect(flow.received > flow.sent / 2, f"{flow.missing} of {flow.sent} lost")
        expect(flow.duplicates == 0, f"{flow.duplicates} arrived twice")


def destroy(lab, port):
    """The kernel of the right ends the connection, which the left hears by a reset."""
    lab.network.right.run("ss", "-K", "sport", "=", f":{PORT}", "and", "dport", "=", f":{port}")
    left = lab.network.right.run("ss", "-Htn", "dport", "=", f":{port}")
    if left.strip():
        raise Skip("the kernel cannot destroy sockets (CONFIG_INET_DIAG_DESTROY)")


def follows(lab):
    """With MOBIKE, packets go where IKE goes: to TCP when UDP is blocked, and back."""
    extra = ["mobike: true", "liveness: 2s"]
    with two_gateways(lab, extra, extra) as right:
        begin(lab)
        wait_until(lab.left.established, "the tunnel", 5)
        child = lab.left.established()[0]["inboundSPI"]
        both_ways(lab)
        with without_udp(lab):
            wait_until(lambda: transport(lab.left) == "tcp" and transport(right) == "tcp",
                       "the IKE SA by TCP", 20)
            wait_until(lambda: ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4],
                                    count=1) == 1, "traffic by TCP", 5)
            both_ways(lab, count=5)
        flow = Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4]).start()
        try:
            wait_until(lambda: transport(lab.left) == "udp" and transport(right) == "udp",
                       "the IKE SA by UDP again", 25)
            time.sleep(0.5)
        finally:
            flow.stop()
        both_ways(lab)
        expect(lab.left.established()[0]["inboundSPI"] == child, "another Child SA")
        expect(flow.missing <= flow.sent // 100, f"{flow.missing} of {flow.sent} lost on the way")


def delay(lab):
    """While the link is full, a packet waits for what the queues hold, and not for seconds."""
    with by_tcp(lab, alone=True):
        lab.network.left.run("tc", "qdisc", "add", "dev", "wan", "root", "tbf", "rate", "20mbit",
                             "burst", "15000", "latency", "30ms")
        sender = threading.Thread(target=lambda: transfer(
            lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4], 16 << 20))
        try:
            sender.start()
            time.sleep(2)
            times = []
            for _ in range(10):
                began = time.monotonic()
                if ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1, wait=3):
                    times.append(time.monotonic() - began)
            expect(len(times) >= 7, f"only {len(times)} of 10 answered")
            print(f"    answers after {min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms")
            expect(sorted(times)[len(times) // 2] < 0.5, f"answers after {times} seconds")
        finally:
            lab.network.left.run("tc", "qdisc", "del", "dev", "wan", "root", check=False)
            sender.join()


def killed(lab):
    """Neither end sends in clear what its tunnel carried, when one of them is killed."""
    with by_tcp(lab), Capture(lab.network.left, "wan", BESIDE) as capture:
        flows = [
            Flow(lab.network.left, LEFT.inner[4], lab.network.right, RIGHT.inner[4]).start(),
            Flow(lab.network.right, RIGHT.inner[4], lab.network.left, LEFT.inner[4],
                 port=7100).start()]
        try:
            time.sleep(0.5)
            lab.left.kill()
            time.sleep(1)
            lab.left.start()
            begin(lab)
            wait_until(lambda: transport(lab.left) == "tcp" and lab.left.established(),
                       "the tunnel by TCP again", 15)
            time.sleep(0.5)
        finally:
            for flow in flows:
                flow.stop()
        both_ways(lab)
        expect(not capture.frames, f"in clear: {capture.frames[:3]}")


def ends(lab):
    """The connection is closed with its IKE SA, at both ends."""
    with by_tcp(lab) as right:
        both_ways(lab)
        lab.left.delete_ike()
        wait_until(lambda: streams(lab.network.left) == 0, "the end of the connection", 5)
        wait_until(lambda: not right.established(), "the end of the tunnel", 5)
        begin(lab)
        wait_until(lambda: transport(lab.left) == "tcp" and lab.left.established(),
                   "the tunnel by TCP again", 10)
        both_ways(lab)


def between_hosts(lab):
    """A tunnel for the gateways' own outer addresses leaves the connection that carries it alone, at
    the end that began it and at the one that answered, and nothing else in clear."""
    with by_tcp(lab, alone=True, left_networks=(LEFT.outer[4] + "/32",),
                right_networks=(RIGHT.outer[4] + "/32",)) as right:
        with Capture(lab.network.left, "wan") as capture:
            expect_ping(lab.network.left, LEFT.outer[4], RIGHT.outer[4])
            expect_ping(lab.network.right, RIGHT.outer[4], LEFT.outer[4])
            # Another service of either end is reached by the tunnel alone.
            transfer(lab.network.left, LEFT.outer[4], lab.network.right, RIGHT.outer[4], 1 << 20)
            capture.stop()
        expect(all(frame.kind != "clear" or PORT in ports_of(frame) for frame in capture.frames
                   if frame.version == 4), "something else went in clear")
        lab.left.kill()
        right.kill()
        # Without a socket of ours a segment from the peer's port reaches nobody.
        with lab.network.left.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind((LEFT.outer[4], 7801))
            listener.listen()
            listener.settimeout(0.5)
            right.guard("lift")
            with lab.network.right.socket(socket.AF_INET, socket.SOCK_STREAM) as stranger:
                stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                stranger.bind((RIGHT.outer[4], PORT))
                stranger.settimeout(0.5)
                with contextlib.suppress(OSError):
                    stranger.connect((LEFT.outer[4], 7801))
                    raise AssertionError("a stranger reached a protected port in clear")


def ports_of(frame):
    """Of a TCP segment."""
    return struct.unpack("!HH", frame.payload[:4]) if len(frame.payload) >= 4 else ()
