"""The control socket and the log, with clients and readers that do as they like."""

import json
import os
import resource
import socket
import subprocess
import time

from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import Failure, expect, processor_seconds, status_of, wait_until
from Tests.Lab.tunnel import Tunnel


def register(table):
    table.add("control/no-descriptors-left", no_descriptors)
    table.add("control/nobody-reads-the-log", nobody_reads)
    table.add("control/socket-path-taken", path_taken)
    table.add("control/nowhere-to-keep-the-configuration", not_kept)


def no_descriptors(lab):
    """Where the daemon can open nothing more, a client waits, the daemon rests, and all goes on when
    there is room again; the guard, which somebody flushes meanwhile, comes back."""
    lab.left.apply(Tunnel(), RIGHT)
    pid = lab.left.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, before[1]))
    clients = []
    try:
        # Gaps below the highest are filled first.
        for _ in range(40):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(0.3)
            clients.append(client)
            client.connect(lab.left.socket)
            # Answered at once, and without descriptors of its own.
            client.sendall(b'{"request":"down","connection":"nobody"}\n')
            try:
                client.recv(1)
            except TimeoutError:
                break
        else:
            raise Failure("the daemon still takes clients")
        used = processor_seconds(pid)
        time.sleep(1)
        used = processor_seconds(pid) - used
        expect(used < 0.15, f"the daemon used {used:.2f} s in a second")
        lab.network.left.run("nft", "flush", "ruleset")
        wait_until(lambda: "cannot look after the guard" in lab.left.read_log(), "a word of it")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        clients[-1].settimeout(5)
        expect(clients[-1].recv(1) == b"{", "who waited is not answered")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        for client in clients:
            client.close()
    wait_until(lambda: lab.left.status()["guardState"] == "set", "the guard is back", 3)


def nobody_reads(lab):
    """`cygnet run 2>&1 | head -1`: the gateway lives on when the reader of its log has gone."""
    lab.left.write(Tunnel(), RIGHT)
    process = subprocess.Popen(
        [str(word) for word in lab.left.namespace.command(
            lab.left.program, "run", "--config", lab.left.file, "--log-level", "debug")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        process.stdout.readline()
        process.stdout.close()
        command = lab.left.namespace.command(
            lab.left.program, "status", "--json", "--socket", lab.left.socket)
        wait_until(lambda: status_of(*command)[0] == 0 or process.poll() is not None,
                   "the gateway's status")
        # Each of these is a line or more in the log.
        for _ in range(3):
            lab.left.namespace.run(lab.left.program, "reload", "--socket", lab.left.socket,
                                   check=False)
        expect(process.poll() is None, f"the gateway ended with status {process.returncode}")
        expect(status_of(*command)[0] == 0, "the gateway does not answer")
    finally:
        process.terminate()
        process.wait(10)
    expect(process.returncode == 0, f"the gateway ended with status {process.returncode}")
    # The guard of a configuration that cannot be used is set, whoever hears of it.
    lab.left.guard("lift")
    with open(lab.left.file, "a") as file:
        file.write("nonsense: [\n")
    reading, writing = os.pipe()
    os.close(reading)
    subprocess.run(
        [str(word) for word in lab.left.namespace.command(
            lab.left.program, "run", "--config", lab.left.file)],
        stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, timeout=20)
    os.close(writing)
    expect("cygnet_guard" in lab.left.guard("show"), "there is no guard")


def path_taken(lab):
    """A file where the socket should be stays, and so does the socket of a daemon that lives."""
    lab.left.write(Tunnel(), RIGHT)
    with open(lab.left.socket, "w") as file:
        file.write("precious")
    try:
        lab.left.start(wait=False)
        lab.left.process.process.wait(10)
        expect(lab.left.process.process.returncode == 1 and "no socket" in lab.left.read_log(),
               f"it says: {lab.left.read_log()}")
        with open(lab.left.socket) as file:
            expect(file.read() == "precious", "the file was written over")
    finally:
        os.unlink(lab.left.socket)
    lab.left.start()
    lab.left.status()


def not_kept(lab):
    """A configuration of which no copy can be kept is put in force, with a warning each time."""
    lab.left.write(Tunnel(), RIGHT)
    # The directory is this process's own to hide.
    hidden = ("unshare", "-m", "sh", "-c",
              'mkdir -p /var/lib/cygnet && mount -t tmpfs -o ro none /var/lib/cygnet && exec "$@"',
              "sh")
    warning = f"warning: {lab.left.file} cannot be kept"
    text = lab.left.namespace.run(
        *hidden, lab.left.program, "guard", "set", "--config", lab.left.file)
    expect(warning in text and "is set" in text, f"it says: {text}")
    lab.left.start(prefix=hidden)
    expect(warning in lab.left.read_log(), "no warning in the log")
    text = lab.left.reload(Tunnel(), RIGHT)
    expect(warning in text, f"it says: {text}")
    status = json.loads(lab.left.namespace.run(
        lab.left.program, "reload", "--json", "--socket", lab.left.socket))
    expect(status["isInForce"], f"{status}")
