"""``system ports`` and ``doctor net`` on a host of their own: what they tell is so, and what they advise mends it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.suites.ufw import NotToBeHad, Ufw

pytestmark = pytest.mark.root

NEIGHBOUR = f"crk-ufw-{os.getpid()}"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon in a network namespace of its own, whose firewall and routes are nobody else's."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if shutil.which("nft") is None or (archive := root_file_system()) is None:
        pytest.skip("nft or the distribution's busybox-static is not installed")
    process = DaemonProcess(tmp_path_factory.mktemp("doctor"))
    process.wrapper = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    process.start()
    CommandLine("carrack", process)(*IMPORT, stdin=archive)
    yield process
    process.stop()


@pytest.fixture
def ours(daemon: DaemonProcess) -> Iterator[CommandLine]:
    line = CommandLine("carrack", daemon)
    yield line
    if names := line("ps", "-aq").stdout.split():
        line("rm", "-f", *names)


def on_its_host(daemon: DaemonProcess, command: str) -> None:
    """Run a command where the daemon's network is."""
    pid = Path(daemon.root / "pid").read_text().strip()
    subprocess.run(["nsenter", "--net", "--target", pid, "sh", "-ec", command], check=True)


def findings(ours: CommandLine, code: int) -> list[dict[str, str]]:
    done = ours("doctor", "net", "--json", check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def wrong(ours: CommandLine, check: str) -> dict[str, str]:
    """The one problem that a check finds."""
    (found,) = [each for each in findings(ours, 1) if each["Check"] == check and each["Level"] == "problem"]
    return found


def well(ours: CommandLine, check: str) -> bool:
    found = [json.loads(line) for line in ours("doctor", "net", "--json", check=False).stdout.splitlines()]
    return all(each["Level"] != "problem" for each in found if each["Check"] == check)


def test_who_can_reach_what(ours: CommandLine) -> None:
    image = "busybox"
    ours("run", "-d", "--name", "web", "-p", "8080:80", "-p", "127.0.0.1:5432:5432", image, "sleep", "100")
    ours(
        "run",
        "-d",
        "--name",
        "api",
        "-p",
        "0.0.0.0:8443:443,allow=10.0.0.0/8",
        "-p",
        "[::]:8443:443,allow=fd00::/8",
        image,
        "sleep",
        "100",
    )
    ours("run", "-d", "--name", "six", "-p", "[::1]:8444:443", image, "sleep", "100")
    ours("run", "-d", "--name", "range", "-p", "9000-9010:9000-9010/udp", image, "sleep", "100")
    ours("run", "-d", "--name", "shares", "--network", "host", image, "sleep", "100")
    form = "{{.Name}} {{.Published}} {{.Port}} {{.Reach}} {{.Network}}"
    told = ours("system", "ports", "--format", form).stdout.splitlines()
    assert told == [
        "api 0.0.0.0:8443/tcp 443 this host, 10.0.0.0/8 bridge",
        "api [::]:8443/tcp 443 this host, fd00::/8 bridge",
        "range 0.0.0.0:9000-9010/udp 9000-9010 anywhere bridge",
        "range [::]:9000-9010/udp 9000-9010 anywhere bridge",
        "shares - - anywhere host",
        "six [::1]:8444/tcp 443 this host bridge",
        "web 0.0.0.0:8080/tcp 80 anywhere bridge",
        "web 127.0.0.1:5432/tcp 5432 this host bridge",
        "web [::]:8080/tcp 80 anywhere bridge",
    ]
    assert "whatever it listens on" in ours("system", "ports").stdout
    ours("stop", "-t", "0", "web")
    assert "web" not in ours("system", "ports").stdout


def test_nothing_is_wrong(ours: CommandLine) -> None:
    assert {each["Check"] for each in findings(ours, 0)} == {
        "forwarding", "rules", "firewalls", "bridges", "routes", "kernel", "names", "dns",
    }  # fmt: skip
    shown = ours("doctor", "network").stdout
    assert shown.startswith("ok       forwarding  this host forwards packets\n")


def test_a_firewall_that_drops(ours: CommandLine, daemon: DaemonProcess) -> None:
    ours("run", "-d", "--name", "web", "-p", "8080:80", "-p", "127.0.0.1:81:81", "busybox", "sleep", "100")
    chain = "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"
    on_its_host(daemon, f"nft add table ip filter; nft '{chain}'; nft add chain ip filter ufw-before-forward")
    on_its_host(daemon, "nft add rule ip filter FORWARD jump ufw-before-forward")
    warnings = ours("system", "ports", "--format", "{{.Published}}: {{.Warning}}").stdout.splitlines()
    told = "ufw drops it, unless a rule of its allows it (ip filter FORWARD)"
    assert f"0.0.0.0:8080/tcp: {told}" in warnings
    assert "127.0.0.1:81/tcp: " in warnings
    found = wrong(ours, "firewalls")
    assert "network bridge: ufw drops" in found["Text"]
    assert found["Mend"] == f"ufw route allow in on {daemon.bridge} && ufw route allow out on {daemon.bridge}"
    for way in ("iifname", "oifname"):  # what ufw then has
        on_its_host(daemon, f"nft add rule ip filter ufw-before-forward {way} {daemon.bridge} accept")
    assert well(ours, "firewalls")
    assert ours("system", "ports", "--format", "{{.Warning}}").stdout.split() == []
    on_its_host(daemon, "nft delete table ip filter")


def test_another_programs_chain_and_its_gate(ours: CommandLine, daemon: DaemonProcess) -> None:
    chain = "add chain inet mine wall { type filter hook forward priority 0; policy drop; }"
    on_its_host(daemon, f"nft add table inet mine; nft '{chain}'")
    found = wrong(ours, "firewalls")
    assert "another program drops" in found["Text"]
    on_its_host(daemon, found["Mend"])
    assert well(ours, "firewalls")
    on_its_host(daemon, "nft delete table inet mine")


def test_bridges_that_are_filtered(ours: CommandLine, daemon: DaemonProcess) -> None:
    if not Path("/proc/sys/net/bridge").exists():
        pytest.skip("this kernel has no br_netfilter")
    chain = "add chain ip mine wall { type filter hook forward priority 0; policy drop; }"
    on_its_host(daemon, f"nft add table ip mine; nft '{chain}'; sysctl -qw net.bridge.bridge-nf-call-iptables=1")
    found = wrong(ours, "bridges")
    on_its_host(daemon, found["Mend"])
    assert well(ours, "bridges")
    on_its_host(daemon, "nft delete table ip mine")


def test_routes_that_overlap(ours: CommandLine, daemon: DaemonProcess) -> None:
    within = daemon.subnet.replace(".1/24", ".128/25")
    on_its_host(daemon, f"ip link add tun9 type bridge; ip link set tun9 up; ip route add {within} dev tun9")
    found = wrong(ours, "routes")
    assert f"the host's route {within} dev tun9" in found["Text"]
    on_its_host(daemon, "ip link delete tun9")
    assert well(ours, "routes")


def test_a_resolver_that_is_silent(ours: CommandLine, daemon: DaemonProcess) -> None:
    ours("network", "create", "names")
    ours("run", "-d", "--name", "web", "--network", "names", "busybox", "sleep", "100")
    (resolver,) = [pid for pid in children(daemon) if b"names/__main__.py" in command_line(pid)]
    os.kill(resolver, signal.SIGSTOP)
    try:
        assert f"process {resolver}) does not answer" in wrong(ours, "names")["Text"]
    finally:
        os.kill(resolver, signal.SIGCONT)
    assert well(ours, "names")
    ours("rm", "-f", "web")
    ours("network", "rm", "names")


def children(daemon: DaemonProcess) -> list[int]:
    pid = (daemon.root / "pid").read_text().strip()
    found = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(word) for text in found for word in text.split()]


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.fixture
def ufw(daemon: DaemonProcess, tmp_path: Path) -> Ufw:
    try:
        return Ufw(tmp_path, int((daemon.root / "pid").read_text()))
    except NotToBeHad as reason:
        pytest.skip(str(reason))


@pytest.fixture
def neighbour(daemon: DaemonProcess) -> Iterator[str]:
    """A network namespace on a link of the daemon's host, which is 192.0.2.1 and 2001:db8::1 there."""
    subprocess.run(["ip", "netns", "add", NEIGHBOUR], check=True)
    place = f"/run/netns/{NEIGHBOUR}"
    on_its_host(daemon, f"ip link add uplink type veth peer name eth0 netns {NEIGHBOUR}; ip link set uplink up")
    on_its_host(daemon, "ip address add 192.0.2.1/24 dev uplink; ip address add 2001:db8::1/64 dev uplink nodad")
    inside = ["nsenter", f"--net={place}", "sh", "-ec"]
    script = "ip link set eth0 up; ip address add 192.0.2.2/24 dev eth0; ip address add 2001:db8::2/64 dev eth0 nodad"
    subprocess.run([*inside, script], check=True)
    yield place
    subprocess.run(["ip", "netns", "delete", NEIGHBOUR], check=True)


def reached(neighbour: str, address: str, port: int) -> bool:
    """Whether the container answers a client on the neighbour."""
    words = ["nsenter", f"--net={neighbour}", "busybox", "nc", "-w", "1", address, str(port)]
    return subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, check=False).stdout == b"here\n"


# The last of this file: ufw leaves tables behind.
def test_a_real_ufw(ours: CommandLine, daemon: DaemonProcess, ufw: Ufw, neighbour: str) -> None:
    ours("run", "-d", "--name", "web", "-p", "8080:80", "busybox", "nc", "-ll", "-p", "80", "-e", "echo", "here")
    eventually(lambda: reached(neighbour, "192.0.2.1", 8080))
    assert reached(neighbour, "2001:db8::1", 8080)
    ufw("ufw --force enable")
    assert "deny (incoming), allow (outgoing), deny (routed)" in ufw("ufw status verbose")
    assert not reached(neighbour, "192.0.2.1", 8080)
    assert not reached(neighbour, "2001:db8::1", 8080)
    ports = "system", "ports", "--format", "{{.Published}}: {{.Warning}}"
    warnings = ours(*ports).stdout.splitlines()
    assert "0.0.0.0:8080/tcp: ufw drops it, unless a rule of its allows it (ip filter FORWARD)" in warnings
    assert any(line.startswith("[::]:8080/tcp: ufw drops it") for line in warnings), warnings
    ufw(wrong(ours, "firewalls")["Mend"])
    assert reached(neighbour, "192.0.2.1", 8080)
    assert well(ours, "firewalls")
    assert "0.0.0.0:8080/tcp: " in ours(*ports).stdout.splitlines()
    ufw("ufw --force disable")
    assert reached(neighbour, "2001:db8::1", 8080)
