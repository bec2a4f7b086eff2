"""`cygnet trace`: packets with every decision about them, of a running gateway."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

from Tests.Lab.cases import Skip
from Tests.Lab.echo import expect_ping, ping
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Background, expect, status_of, wait_until
from Tests.Lab.tunnel import Tunnel

BOTH = Tunnel(inner=(4, 6))
SPI = 0x0BADCAFE


def register(table):
    table.add("trace/ping", a_ping)
    table.add("trace/ping, two workers", a_ping, gateway=["workers: 2"])
    table.add("trace/held-and-sent", held)
    for reason, action in DROPS.items():
        table.add(f"trace/drop/{reason}", dropped, reason=reason, action=action)
    for name, suite in SUITES.items():
        table.add(f"trace/capture/{name}", capture, suite=suite)
    table.add("trace/capture-without-keys", without_keys)
    table.add("trace/capture-cut", cut)
    table.add("trace/capture-of-drops", capture_of_drops)
    table.add("trace/capture-files", capture_files)
    table.add("trace/pipe-closes", pipe_closes)
    table.add("trace/full-disk", full_disk)
    table.add("trace/conditions", conditions)
    table.add("trace/several-at-once", several)
    table.add("trace/slow-reader", slow_reader)
    table.add("trace/no-sense", no_sense)
    table.add("explain/running", explained)
    table.add("explain/running, two workers", explained, gateway=["workers: 2"])
    table.add("trace/names-of-the-configuration", names)


class Trace:
    """`cygnet trace --json` beside the test; `entries` are what it has shown so far."""

    count = 0

    def __init__(self, gateway, *words):
        Trace.count += 1
        self.log = os.path.join(gateway.folder, f"trace-{Trace.count}.log")
        before = gateway.read_log().count("a trace of packets begins")
        self.process = Background(
            gateway.namespace.command(gateway.program, "trace", "--json", "--socket",
                                      gateway.socket, *words), self.log)
        wait_until(lambda: gateway.read_log().count("a trace of packets begins") > before
                   or not self.process.is_running(), "the trace", 5)

    @property
    def entries(self):
        found = []
        for line in self.process.output().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                found.append(json.loads(line))
        return found

    def wait(self, condition, what, seconds=3):
        return wait_until(lambda: [entry for entry in self.entries if condition(entry)], what,
                          seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop(signal.SIGINT)


def up(lab, tunnel=BOTH, **extra):
    lab.left.apply(tunnel, RIGHT, **extra)
    lab.right.apply(tunnel, LEFT)
    lab.left.initiate()


def is_echo(entry):
    return entry.get("packet", {}).get("icmpType") in (0, 8, 128, 129)


def a_ping(lab, gateway=()):
    """Each packet of a ping is told once a direction, with all that was decided, whichever worker
    reads it and whichever has the SA."""
    up(lab, gateway=list(gateway))
    child = lab.left.established()[0]
    line = next(number for number, text in enumerate(open(lab.left.file), 1) if "net:" in text)
    with Trace(lab.left) as trace:
        for version in (4, 6):
            expect_ping(lab.network.left, LEFT.inner[version], RIGHT.inner[version], count=3)
        wait_until(lambda: len(list(filter(is_echo, trace.entries))) >= 12, "twelve packets", 3)
        entries = list(filter(is_echo, trace.entries))
    expect(len(entries) == 12, f"{len(entries)} packets")
    for version in (4, 6):
        own, far = LEFT.inner[version], RIGHT.inner[version]
        sent = [entry for entry in entries if entry["packet"]["source"] == own]
        came = [entry for entry in entries if entry["packet"]["source"] == far]
        expect([entry["outcome"] for entry in sent] == ["sealed"] * 3, f"sent: {sent}")
        expect([entry["outcome"] for entry in came] == ["opened"] * 3, f"came: {came}")
        for entry in sent + came:
            is_out = entry in sent
            packet, policy = entry["packet"], entry["policy"]
            expect(packet["icmpType"] == {4: (8, 0), 6: (128, 129)}[version][not is_out],
                   f"type of {packet}")
            expect(packet["octets"] == {4: 84, 6: 104}[version], f"octets of {packet}")
            expect(entry["device"] == "cygnet0" and entry["direction"] == ("out" if is_out else "in"),
                   f"device of {entry}")
            expect(policy["tunnel"] == "peer/net" and policy["action"] == "protect"
                   and policy["place"] == f"{lab.left.file}:{line}", f"policy {policy}")
            expect(entry["protection"]["spi"] == child["outboundSPI" if is_out else "inboundSPI"],
                   f"SPI of {entry}")
            expect(entry["path"]["carrier"] == "udp"
                   and entry["path"]["local"] == LEFT.outer[4]
                   and entry["path"]["remote"] == RIGHT.outer[4], f"path of {entry}")
            expect(abs(entry["time"] - time.time()) < 10, f"time of {entry}")
        numbers = [entry["protection"]["sequence"] for entry in sent]
        expect(numbers == list(range(numbers[0], numbers[0] + 3)), f"numbers {numbers}")
    text = status_of(*lab.left.namespace.command(
        lab.left.program, "trace", "--count", "1", "--seconds", "3", "--socket",
        lab.left.socket, "--address", "0.0.0.0/0"))
    expect(text == (0, ""), f"with nothing to show: {text}")


def held(lab):
    """The packet that brings a tunnel up is told as held, and again when it goes."""
    tunnel = BOTH.but(start="traffic")
    lab.left.apply(tunnel, RIGHT)
    lab.right.apply(tunnel, LEFT)
    with Trace(lab.left, "--direction", "out", "--address", RIGHT.inner[4]) as trace:
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1, wait=3)
        trace.wait(lambda entry: entry["outcome"] == "sealed", "the packet that goes")
        entries = trace.entries
    expect([entry["outcome"] for entry in entries] == ["held", "sealed"], f"{entries}")
    expect("protection" not in entries[0] and 0 < entries[1]["heldSeconds"] < 3, f"{entries}")


# What is done for a packet to be dropped, and what is told of it.

def bypassed(lab):
    up(lab)
    yield
    # What no policy is for comes to the device only where somebody routes it there.
    lab.network.left.ip("route", "add", "203.0.113.9/32", "dev", "cygnet0")
    ping(lab.network.left, LEFT.inner[4], "203.0.113.9", count=1, wait=0.1)


def too_big(lab):
    # The device takes more than the tunnel carries.
    lab.left.apply(BOTH, RIGHT, gateway=["mtu: 1438"], tunnel=["mtu: 1300"])
    lab.right.apply(BOTH, LEFT)
    lab.left.initiate()
    yield
    ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1, size=1372, wait=0.2,
         may_be_cut=False)


def unknown_spi(lab):
    up(lab)
    yield
    with contextlib.closing(lab.network.right.udp(RIGHT.outer[4])) as sender:
        sender.sendto(SPI.to_bytes(4) + bytes(60), (LEFT.outer[4], 4500))


def forged(lab):
    up(lab)
    spi = int(lab.left.established()[0]["inboundSPI"], 16)
    yield
    with contextlib.closing(lab.network.right.udp(RIGHT.outer[4])) as sender:
        sender.sendto(spi.to_bytes(4) + (77).to_bytes(4) + bytes(56), (LEFT.outer[4], 4500))


def malformed(lab):
    up(lab)
    yield
    with contextlib.closing(lab.network.right.udp(RIGHT.outer[4])) as sender:
        sender.sendto(b"\x01\x02\x03", (LEFT.outer[4], 4500))


def abandoned(lab):
    lab.left.apply(BOTH, RIGHT)
    yield
    ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1, wait=0.1)


DROPS = {"policyBypass": bypassed, "tooBig": too_big, "unknownSPI": unknown_spi,
         "authenticationFailed": forged, "malformedESP": malformed, "holdAbandoned": abandoned}


def dropped(lab, reason, action):
    steps = action(lab)
    next(steps)
    with Trace(lab.left, "--drop", reason, "--count", "1") as trace:
        next(steps, None)
        entry = trace.wait(lambda entry: True, f"a packet dropped: {reason}")[0]
        wait_until(lambda: not trace.process.is_running(), "the end of a trace of one packet")
    expect(entry["outcome"] == "dropped" and entry["reason"] == reason, f"{entry}")
    if reason == "unknownSPI":
        expect(entry["protection"]["spi"] == f"0x{SPI:08x}"
               and entry["path"]["remote"] == RIGHT.outer[4], f"{entry}")
    if reason == "tooBig":
        expect(entry["protection"]["limit"] == 1300 and entry["packet"]["octets"] == 1400,
               f"{entry}")
    status, text = status_of(lab.left.program, "explain", "drop", reason)
    expect(status == 0 and "remedy: " in text, f"explain drop says: {text}")


# Captures, judged by tshark.

SUITES = {"gcm": "aes256gcm16", "cbc": "aes128-sha256"}


def tshark(file, wanted, keys=()):
    """Lines of the packets of a capture that a filter lets pass, decrypted with lines of `esp_sa`."""
    options = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_null_encryption_decode_heuristic:FALSE"]
    for line in keys:
        options += ["-o", "uat:esp_sa:" + line.strip()]
    status, text = status_of("tshark", "-r", file, "-n", *options, "-Y", wanted, "-T", "fields",
                             "-e", "frame.interface_name", "-e", "ip.src", "-e", "ip.dst",
                             "-e", "frame.len")
    lines = [line for line in text.splitlines() if line.startswith(("inner", "outer"))]
    expect(status == 0, f"tshark says: {text}")
    return lines


def needs_tshark():
    if shutil.which("tshark") is None:
        raise Skip("there is no tshark")


def capture_beside(lab, *words):
    """Runs `trace --capture` beside the test; returns it with the names of its files."""
    file, keys = os.path.join(lab.left.folder, "c.pcapng"), os.path.join(lab.left.folder, "esp_sa")
    for path in (file, keys):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    return Trace(lab.left, "--capture", file, *words), file, keys


def capture(lab, suite):
    """Each packet is there before and after protection, and with the keys tshark reads both."""
    needs_tshark()
    tunnel = BOTH.but(esp=suite)
    up(lab, tunnel, gateway=["trace-keys: true"])
    expect("trace-keys is set" in lab.left.read_log(), "no warning in the log")
    keys_name = os.path.join(lab.left.folder, "esp_sa")
    trace, file, keys = capture_beside(lab, "--with-keys", keys_name)
    with trace:
        for version in (4, 6):
            expect_ping(lab.network.left, LEFT.inner[version], RIGHT.inner[version], count=3)
        # The keys of what comes while it runs come too.
        lab.left.delete_child()
        lab.left.initiate()
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=2)
        time.sleep(0.3)
    expect("keys of the SAs: whoever reads it can read all their traffic" in trace.process.output(),
           f"it says: {trace.process.output()}")
    expect(os.stat(keys).st_mode & 0o777 == 0o600, "others may read the keys")
    lines = open(keys).read().splitlines()
    expect(len(lines) == 4, f"{len(lines)} keys")
    echoes = "icmp.type in {0, 8} || icmpv6.type in {128, 129}"
    hidden = tshark(file, echoes)
    expect(len(hidden) == 16 and all(line.startswith("inner") for line in hidden), f"{hidden}")
    # IKE comes by the same port.
    outer = tshark(file, 'frame.interface_name == "outer" && !isakmp')
    expect(len(tshark(file, 'frame.interface_name == "outer" && esp')) == len(outer) >= 16,
           f"outside is not ESP: {outer}")
    for line in outer:
        ends = {LEFT.outer[4], RIGHT.outer[4]}
        expect(set(line.split("\t")[1:3]) == ends, f"ends of {line}")
    for version, kind, count in ((4, "icmp", 10), (6, "icmpv6", 6)):
        seen = tshark(file, f'frame.interface_name == "outer" && {kind} && ({echoes})', lines)
        expect(len(seen) == count, f"tshark reads {len(seen)} of {count}: {seen}")


def without_keys(lab):
    """Without leave in the configuration there are no keys, and no files of what did not begin."""
    up(lab)
    file, keys = os.path.join(lab.left.folder, "c.pcapng"), os.path.join(lab.left.folder, "esp_sa")
    for path in (file, keys):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    command = lab.left.namespace.command(
        lab.left.program, "trace", "--socket", lab.left.socket, "--seconds", "1", "--capture", file)
    status, text = status_of(*command, "--with-keys", keys)
    expect(status == 1 and "trace-keys: true" in text, f"it says: {status} {text}")
    expect(not os.path.exists(keys) and not os.path.exists(file), "files are left")
    open(keys, "w").close()
    status, text = status_of(*command, "--with-keys", keys)
    expect(status == 1 and "new files only" in text, f"over a file: {status} {text}")
    status, text = status_of(*command)
    expect(status == 0 and os.path.exists(file), f"without keys: {status} {text}")


def capture_files(lab):
    """Packets go to a file that its owner alone may read: a plain one is replaced, a link refused."""
    up(lab)
    file, target = os.path.join(lab.left.folder, "c.pcapng"), os.path.join(lab.left.folder, "t")
    command = lab.left.namespace.command(
        lab.left.program, "trace", "--socket", lab.left.socket, "--seconds", "0.3", "--capture", file)
    for path in (file, target):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    open(file, "w").close()
    os.chmod(file, 0o644)
    status, text = status_of(*command)
    expect(status == 0, f"over a plain file: {status} {text}")
    mode = os.stat(file).st_mode & 0o777
    expect(mode == 0o600, f"the mode is {mode:o}")
    expect(os.path.getsize(file) > 0, "nothing is in it")
    os.rename(file, target)
    size = os.path.getsize(target)
    os.symlink(target, file)
    status, text = status_of(*command)
    expect(status == 1 and "no plain file" in text, f"through a link: {status} {text}")
    expect(os.path.islink(file) and os.path.getsize(target) == size, "the link was followed")
    status, text = status_of(*command, "--with-keys", file)
    expect(status == 64, f"both in one file: {status} {text}")


def full_disk(lab):
    """Neither a file nor standard output has room: it says so and ends, and what was written stays."""
    up(lab)
    room = os.path.join(lab.left.folder, "little")
    os.makedirs(room, exist_ok=True)
    file = os.path.join(room, "packets.pcapng")
    words = [lab.left.program, "trace", "--seconds", "10", "--socket", lab.left.socket]
    mounted = f"mount -t tmpfs -o size=16k none {room} && "
    commands = {
        file: ["unshare", "-m", "sh", "-c", mounted + f'"$@" --capture {file}; '
               f"status=$?; stat -c 'left %s' {file}; exit $status", "sh", *words],
        "standard output": ["sh", "-c", 'exec "$@" >/dev/full', "sh", *words],
    }
    for place, command in commands.items():
        log = os.path.join(lab.left.folder, f"full-{len(place)}.log")
        before = lab.left.read_log().count("a trace of packets begins")
        trace = Background(lab.left.namespace.command(*command), log)
        try:
            wait_until(lambda: lab.left.read_log().count("a trace of packets begins") > before,
                       "the trace")
            ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=20, size=1000)
            wait_until(lambda: not trace.is_running(), "its end")
        finally:
            trace.stop()
        text = trace.output()
        expect(trace.process.returncode == 1, f"status {trace.process.returncode}: {text}")
        expect(f"cannot write to {place}: " in text and "No space left" in text
               and "hint: " in text, f"it said {text}")
        sizes = [int(size) for size in re.findall(r"^left (\d+)$", text, re.M)]
        expect(place != file or sizes and 4096 <= sizes[0] <= 16384, f"left in the file: {sizes}")


def pipe_closes(lab):
    """`cygnet trace | head -1` ends without a word, also when no packet comes any more."""
    up(lab)
    for ignored in (False, True):
        before = lab.left.read_log().count("a trace of packets begins")
        process = subprocess.Popen(
            lab.left.namespace.command(lab.left.program, "trace", "--socket", lab.left.socket),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # As below a service manager, where ignored.
            restore_signals=not ignored)
        wait_until(lambda: lab.left.read_log().count("a trace of packets begins") > before,
                   "the trace")
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1)
        expect(process.stdout.readline(), "no line")
        process.stdout.close()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            expect(False, "the trace goes on")
        said = process.stderr.read().decode()
        process.stderr.close()
        expect(process.returncode in (0, -signal.SIGPIPE) and not said,
               f"ended with {process.returncode}: {said}")
        with subprocess.Popen(
                lab.left.namespace.command(lab.left.program, "status", "--socket",
                                           lab.left.socket),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                restore_signals=not ignored) as status:
            status.stdout.close()
            said = status.stderr.read().decode()
            status.wait(5)
        expect(status.returncode in (0, -signal.SIGPIPE) and not said,
               f"status ended with {status.returncode}: {said}")


def cut(lab):
    """Of a superpacket and its datagrams only the beginnings are kept, and their lengths told."""
    needs_tshark()
    up(lab)
    trace, file, _ = capture_beside(lab, "--snap-length", "64", "--count", "1", "--address",
                                    RIGHT.inner[4], "--protocol", "udp")
    with trace, contextlib.closing(lab.network.left.udp(LEFT.inner[4])) as sender:
        sender.sendto(bytes(1200), (RIGHT.inner[4], 7007))
        wait_until(lambda: not trace.process.is_running(), "the end of the capture")
    lengths = [line.split("\t")[3] for line in tshark(file, "ip")]
    expect(len(lengths) == 2 and lengths[0] == "1228" and int(lengths[1]) > 1250, f"{lengths}")


def capture_of_drops(lab):
    """What is dropped before protection has its reason as a comment."""
    needs_tshark()
    steps = too_big(lab)
    next(steps)
    trace, file, _ = capture_beside(lab, "--drop", "tooBig", "--count", "1")
    with trace:
        next(steps, None)
        wait_until(lambda: not trace.process.is_running(), "the end of the capture")
    found = tshark(file, 'frame.comment contains "DROPPED: tooBig" && icmp')
    expect(len(found) == 1 and found[0].startswith("inner"), f"{found}")


def conditions(lab):
    """Each condition lets pass what it names and nothing else."""
    up(lab)
    spi = lab.left.established()[0]["outboundSPI"]
    wanted = {
        ("--protocol", "icmp"): lambda entry: entry["packet"]["protocol"] == "icmp",
        ("--port", "7007"): lambda entry: entry["packet"].get("destinationPort") == 7007,
        ("--address", RIGHT.inner[6]): lambda entry: RIGHT.inner[6] in (
            entry["packet"]["source"], entry["packet"]["destination"]),
        ("--address", "10.2.0.0/16", "--direction", "in"):
            lambda entry: entry["packet"]["source"] == RIGHT.inner[4]
            and entry["direction"] == "in",
        ("--spi", spi): lambda entry: entry["protection"]["spi"] == spi,
        ("--tunnel", "peer/net", "--protocol", "udp"):
            lambda entry: entry["packet"]["protocol"] == "udp",
    }
    with contextlib.ExitStack() as stack:
        # Four at once is all that there may be.
        for chosen in (list(wanted)[:4], list(wanted)[4:]):
            traces = {words: stack.enter_context(Trace(lab.left, *words)) for words in chosen}
            for version in (4, 6):
                expect_ping(lab.network.left, LEFT.inner[version], RIGHT.inner[version], count=2)
            with contextlib.closing(lab.network.left.udp(LEFT.inner[4])) as sender:
                sender.sendto(b"x", (RIGHT.inner[4], 7007))
                sender.sendto(b"x", (RIGHT.inner[4], 7008))
            for words, trace in traces.items():
                trace.wait(lambda entry: True, f"a packet for {words}")
            time.sleep(0.2)
            for words, trace in traces.items():
                wrong = [entry for entry in trace.entries if not wanted[words](entry)]
                expect(not wrong, f"{words} shows {wrong}")
                trace.process.stop(signal.SIGINT)
            wait_until(lambda: lab.left.read_log().count("a trace of packets ends")
                       == lab.left.read_log().count("a trace of packets begins"), "the ends")


def several(lab):
    """Four look at once and see the same; a fifth is told why not, until one has ended."""
    up(lab)
    with contextlib.ExitStack() as stack:
        traces = [stack.enter_context(Trace(lab.left, "--protocol", "icmp")) for _ in range(4)]
        fifth = lab.left.namespace.command(
            lab.left.program, "trace", "--seconds", "0.3", "--socket", lab.left.socket)
        status, text = status_of(*fifth)
        expect(status == 1 and "4 traces run already" in text, f"the fifth: {status} {text}")
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])
        for trace in traces:
            wait_until(lambda: len(trace.entries) == 4, "four packets")
        seen = sorted({json.dumps(trace.entries) for trace in traces})
        expect(len(seen) == 1, "they differ:\n" + "\n".join(seen))
        traces[0].process.stop(signal.SIGKILL)
        wait_until(lambda: status_of(*fifth)[0] == 0, "a place", 5)
    wait_until(lambda: lab.left.read_log().count("a trace of packets ends")
               == lab.left.read_log().count("a trace of packets begins"), "the ends")
    expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4])


def resident(lab):
    """Kibibytes of memory that the gateway has."""
    with open(f"/proc/{lab.left.process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def slow_reader(lab):
    """One who does not read costs no packet, and is told how many it has missed."""
    up(lab)
    before = resident(lab)
    with Trace(lab.left, "--rate", "100000") as trace:
        trace.process.process.send_signal(signal.SIGSTOP)
        sent = 0
        with contextlib.closing(lab.network.left.udp(LEFT.inner[4])) as sender:
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                for _ in range(20):
                    sender.sendto(b"x" * 100, (RIGHT.inner[4], 7007))
                    sent += 1
                time.sleep(0.004)
            expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=5)
        counted = lab.left.established()[0]["outbound"]["packets"]
        expect(counted >= sent, f"{counted} of {sent} packets went")
        grown = resident(lab) - before
        expect(grown < 16 << 10, f"memory grows by {grown} KiB")
        trace.process.process.send_signal(signal.SIGCONT)
        trace.wait(lambda entry: True, "what was kept")
        time.sleep(1)
        shown = len(trace.entries)
        expect(0 < shown < sent, f"{shown} of {sent} are shown")
        trace.process.stop(signal.SIGINT)
        said = trace.process.output()
    expect("more packets were not shown: they came faster than they were read" in said,
           f"of what was missed it says: {said[-200:]}")
    print(f"{shown} of {sent} shown; ", end="")


def no_sense(lab):
    """What cannot be meant is refused, with what would be right."""
    up(lab)
    for words, wanted, status in (
            (("--address", "10.1.0.0/33"), "no prefix", 1), (("--address", "x"), "10.1.0.5", 1),
            (("--tunnel", "peer/nat"), "cygnet status", 1), (("--spi", "0xfffffffff"), "SPI", 1),
            (("--drop", "nothing"), "cygnet explain drop", 64), (("--protocol", "tpc"), "tcp", 64),
            (("--sample", "0"), "sample", 64), (("--rate", "0"), "1 to 100000", 1),
            (("--count", "0"), "--count", 64), (("--drop", "ike-malformed"), "packet path", 1)):
        found = status_of(*lab.left.namespace.command(
            lab.left.program, "trace", "--seconds", "1", "--socket", lab.left.socket, *words))
        expect(found[0] == status and wanted in found[1], f"{words}: {found}")
    found = status_of(lab.left.program, "explain", "drop", "nothing")
    expect(found[0] == 64 and "lists them all" in found[1], f"{found}")


def names(lab):
    """After a reload the names are those of the configuration in force."""
    up(lab)
    with Trace(lab.left, "--direction", "out", "--protocol", "icmp") as trace:
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1)
        trace.wait(lambda entry: entry["policy"]["order"] == 1, "the first policy")
        lab.left.reload(BOTH, RIGHT, top=[
            "policies:", "  - bypass: {remote: 203.0.113.0/24}", "  - protect: peer/net"])
        expect_ping(lab.network.left, LEFT.inner[4], RIGHT.inner[4], count=1)
        entry = trace.wait(lambda entry: entry["policy"]["order"] == 2, "the second policy")[0]
    line = next(number for number, text in enumerate(open(lab.left.file), 1)
                if "protect: peer/net" in text)
    expect(entry["policy"]["place"] == f"{lab.left.file}:{line}", f"{entry['policy']}")


def explained(lab, gateway=()):
    """`explain packet --running` says what a packet would meet, before and after the tunnel is up."""
    tunnel = BOTH.but(start="traffic")
    lab.left.apply(tunnel, RIGHT, gateway=list(gateway))
    lab.right.apply(tunnel, LEFT)

    def ask(*words):
        status, text = status_of(*lab.left.namespace.command(
            lab.left.program, "explain", "packet", "--running", "--json", "--socket",
            lab.left.socket, *words))
        expect(status == 0, f"explain says: {text}")
        return json.loads(text)

    wanted = (LEFT.inner[4], RIGHT.inner[4], "--protocol", "udp", "--source-port", "7006",
              "--destination-port", "7007")
    before = ask(*wanted)
    expect(before["decision"] == "acquire" and before["policy"]["tunnel"] == "peer/net"
           and before["tunnelState"] == "waitingForTraffic" and not before["isRemembered"],
           f"before: {before}")
    expect(before["inbound"] == [] and "outbound" not in before, f"before: {before}")
    lab.left.initiate()
    child = lab.left.established()[0]
    with contextlib.closing(lab.network.left.udp(LEFT.inner[4], 7006)) as sender:
        sender.sendto(b"x", (RIGHT.inner[4], 7007))
    after = wait_until(lambda: (found := ask(*wanted))["isRemembered"] and found, "the flow")
    expect(after["decision"] == "protect" and after["tunnelState"] == "established",
           f"after: {after}")
    expect(after["outbound"]["spi"] == child["outboundSPI"]
           and after["outbound"]["path"]["remote"] == RIGHT.outer[4]
           and after["outbound"]["sequence"] >= 1 and 1300 < after["outbound"]["limit"] < 1500,
           f"after: {after}")
    back = ask(RIGHT.inner[4], LEFT.inner[4])
    expect([sa["spi"] for sa in back["inbound"]] == [child["inboundSPI"]], f"back: {back}")
    expect(back["decision"] == "bypass" and "order" not in back["policy"], f"back: {back}")
    status, text = status_of(*lab.left.namespace.command(
        lab.left.program, "explain", "packet", "--running", "--socket", lab.left.socket, *wanted))
    expect(status == 0 and f"of SA {child['outboundSPI']}" in text and "peer/net" in text,
           f"in words: {text}")
    status, text = status_of(*lab.left.namespace.command(
        lab.left.program, "explain", "packet", "--running", "--socket", "/nowhere", *wanted))
    expect(status == 1 and "cygnet run" in text, f"without a gateway: {text}")
