"""What is missing is said in one clear sentence with the remedy, and the exit status is not 0."""

import os

from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import expect, status_of
from Tests.Lab.tunnel import Tunnel


def register(table):
    table.add("missing/tun-device", tun)
    table.add("missing/privilege", privilege)
    table.add("missing/port", port)
    table.add("missing/secret", secret)
    table.add("missing/secret-readable-by-others", open_secret)
    table.add("missing/configuration", configuration)
    table.add("missing/daemon", daemon)
    table.add("missing/second-daemon", second_daemon)


def expect_refusal(lab, *words, before=""):
    """`cygnet run` ends at once, says one of the words, and says little else."""
    status, output = status_of(*lab.network.left.command(
        "sh", "-c", f'{before} exec "$0" run --config "$1"', lab.left.program, lab.left.file),
        timeout=5)
    expect(status not in (0, 124), f"status {status}: {output}")
    lines = [line for line in output.strip().splitlines() if line.strip()]
    expect(any(word in output.lower() for word in words), f"none of {words} is said: {output}")
    expect(len(lines) <= 4, f"{len(lines)} lines where one sentence would do:\n{output}")
    expect("fatal error" not in output.lower(), f"it crashed: {output}")
    return output


def tun(lab):
    lab.left.write(Tunnel(), RIGHT)
    output = expect_refusal(lab, "/dev/net/tun", before="mount -t tmpfs tmpfs /dev/net &&")
    expect("modprobe" in output or "device" in output, f"no remedy: {output}")


def privilege(lab):
    lab.left.write(Tunnel(), RIGHT)
    os.chmod(lab.folder, 0o755)
    expect_refusal(
        lab, "cap_net_admin",
        before="set -- setpriv --bounding-set=-net_admin,-net_raw --inh-caps=-net_admin,-net_raw "
               f"{lab.left.program} run --config {lab.left.file}; exec \"$@\";")


def port(lab):
    lab.left.write(Tunnel(), RIGHT)
    holder = lab.network.left.udp("0.0.0.0", 500)
    other = lab.network.left.udp("0.0.0.0", 4500)
    try:
        expect_refusal(lab, "port 500", ":500", "500")
    finally:
        holder.close()
        other.close()


def secret(lab):
    lab.left.write(Tunnel(), RIGHT)
    os.unlink(lab.left.secret)
    output = expect_refusal(lab, "secret")
    expect(lab.left.secret in output, f"the file is not named: {output}")


def open_secret(lab):
    lab.left.write(Tunnel(), RIGHT)
    os.chmod(lab.left.secret, 0o644)
    output = expect_refusal(lab, "chmod")
    expect(lab.left.secret in output, f"the file is not named: {output}")


def configuration(lab):
    lab.left.write(Tunnel(), RIGHT)
    os.unlink(lab.left.file)
    expect_refusal(lab, "cygnet.yaml")


def daemon(lab):
    """The commands say that no daemon runs, and how to start one."""
    lab.left.write(Tunnel(), RIGHT)
    for words in (["status"], ["up", "peer"], ["down", "peer"]):
        status, output = status_of(
            *lab.network.left.command(lab.left.program, *words, "--socket", lab.left.socket))
        expect(status != 0, f"cygnet {words[0]} claims success without a daemon")
        expect("run" in output, f"cygnet {words[0]} says: {output}")


def second_daemon(lab):
    """A second daemon leaves the first one alone."""
    lab.left.apply(Tunnel(), RIGHT)
    lab.right.apply(Tunnel(), LEFT)
    lab.left.initiate()
    expect_refusal(lab, "already", "in use", "running")
    expect(lab.left.established(), "the second daemon took the first one's tunnel away")
