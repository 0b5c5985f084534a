"""What containers ask of their endpoint on the command line, as they see it inside."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.cli.running import Cli, DaemonProcess

from carrack.linux import rtnetlink_kinds
from carrack.linux.netlink import Netlink

pytestmark = pytest.mark.root

OPTION = "com.docker.network.endpoint"


class Net:
    """A network of both families, whose addresses no other test run has."""

    def __init__(self, cli: Cli, daemon: DaemonProcess) -> None:
        _, second, third, _ = daemon.subnet.split(".")
        self.name = f"both-{cli.name}"
        self.four, self.six = f"10.{int(second) - 100}.{third}", f"fd00:{os.getpid() % 10000}:7:"
        subnets = ("--subnet", f"{self.four}.0/24", "--subnet", f"{self.six}:/64")
        cli("network", "create", "--ipv6", *subnets, self.name)


@pytest.fixture
def net(cli: Cli, daemon: DaemonProcess) -> Iterator[Net]:
    made = Net(cli, daemon)
    yield made
    left = cli("ps", "-aq").stdout.split()
    if left:
        cli("rm", "-f", *left)
    cli("network", "rm", made.name)


@pytest.mark.census(
    "network endpoint driver-opts",
    "network interface name (com.docker.network.endpoint.ifname)",
    "sysctl net.<IFNAME> per endpoint (driver-opt com.docker.network.endpoint.sysctls)",
    "network link-local IPs",
    "network MAC address",
)
def test_an_endpoint_in_the_long_form(cli: Cli, net: Net, image: str) -> None:
    wanted = (
        f"name={net.name},ip={net.four}.77,ip6={net.six}:77,mac-address=02:00:00:00:00:77,link-local-ip=169.254.7.7,"
        f"driver-opt={OPTION}.ifname=wan0,driver-opt={OPTION}.sysctls=net.ipv4.conf.IFNAME.forwarding=1"
    )
    cli("run", "-d", "--name", "web", "--network", wanted, image, "sleep", "1000")
    listed = cli("exec", "web", "ip", "addr", "show", "wan0").stdout
    for line in (
        f"inet {net.four}.77/24", f"inet6 {net.six}:77/64", "inet 169.254.7.7/16", "link/ether 02:00:00:00:00:77",
    ):  # fmt: skip
        assert line in listed, listed
    assert cli("exec", "web", "cat", "/proc/sys/net/ipv4/conf/wan0/forwarding").stdout == "1\n"
    routes = cli("exec", "web", "ip", "route").stdout + cli("exec", "web", "ip", "-6", "route").stdout
    assert f"default via {net.four}.1 dev wan0" in routes
    assert f"default via {net.six}:1 dev wan0" in routes
    again = cli("run", "--network", f"name={net.name},ip={net.four}.77", image, "true", check=False)
    assert again.returncode == 125
    assert "Address already in use" in again.stderr


@pytest.mark.census("run --ip6", "create --ip6", "run --ip", "create --ip")
def test_static_addresses(cli: Cli, net: Net, image: str) -> None:
    words = ("--network", net.name, "--ip", f"{net.four}.9", "--ip6", f"{net.six}:9")
    shown = cli("run", "--rm", *words, image, "ip", "-o", "addr").stdout
    assert f"inet {net.four}.9/24" in shown
    assert f"inet6 {net.six}:9/64" in shown
    cli("create", "--name", "later", *words, image, "ip", "-o", "addr")
    assert f"inet6 {net.six}:9/64" in cli("start", "-a", "later").stdout


@pytest.mark.census("network connect --ip", "network connect --ip6", "network connect --gw-priority")
def test_what_is_asked_for_when_connecting(cli: Cli, net: Net, image: str) -> None:
    cli("run", "-d", "--name", "later", image, "sleep", "1000")
    for priority, number in (("5", 21), ("-5", 22)):
        words = ("--ip", f"{net.four}.{number}", "--ip6", f"{net.six}:{number}", "--gw-priority", priority)
        cli("network", "connect", *words, net.name, "later")
        shown = cli("exec", "later", "ip", "-o", "addr", "show", "eth1").stdout
        assert f"inet {net.four}.{number}/24" in shown
        assert f"inet6 {net.six}:{number}/64" in shown
        way = cli("exec", "later", "ip", "route").stdout
        assert (f"default via {net.four}.1 " in way) is (priority == "5"), way
        cli("network", "disconnect", net.name, "later")


@pytest.mark.census(
    *(f"network create --{flag}" for flag in ("subnet", "ip-range", "gateway", "aux-address", "opt", "driver")),
    *(f"network create --{flag}" for flag in ("internal", "ipv4", "ipv6", "config-only", "config-from", "label")),
)
def test_a_network_is_as_its_flags_say(cli: Cli, daemon: DaemonProcess, image: str) -> None:
    _, second, third, _ = daemon.subnet.split(".")
    begin, six = f"10.{int(second) - 98}.{third}", f"fd00:{os.getpid() % 10000}:8::"
    planned = ["--subnet", f"{begin}.0/24", "--ip-range", f"{begin}.8/30", "--gateway", f"{begin}.77", "-d", "bridge"]
    planned += ["--aux-address", f"nas={begin}.9", "--opt", "com.docker.network.driver.mtu=1234"]
    made = {
        "flags-plan": [*planned, "--label", f"of={os.getpid()}"],
        "flags-in": ["--internal"],
        "flags-six": ["--ipv4=false", "--ipv6", "--subnet", f"{six}/64"],
        "flags-base": ["--config-only", "--opt", "com.docker.network.driver.mtu=1300"],
        "flags-from": ["--config-from", "flags-base"],
    }
    script = "cat /sys/class/net/eth0/mtu; ip route; ip -o addr show eth0"
    try:
        for name, words in made.items():
            cli("network", "create", *words, name)
        found = {
            name: cli("run", "--rm", "--network", name, image, "sh", "-c", script).stdout
            for name in made
            if name != "flags-base"
        }
        listed = cli("network", "ls", "--filter", f"label=of={os.getpid()}", "--format", "{{.Name}}").stdout
    finally:
        cli("network", "rm", "-f", *reversed(made), check=False)
    assert found["flags-plan"].startswith("1234\n")
    assert f"default via {begin}.77 " in found["flags-plan"]
    assert any(f"inet {begin}.{last}/24" in found["flags-plan"] for last in (8, 10, 11))
    assert "default" not in found["flags-in"]
    assert "inet " not in found["flags-six"]
    assert f"inet6 {six}" in found["flags-six"]
    assert found["flags-from"].startswith("1300\n")
    assert listed == "flags-plan\n"


@pytest.mark.census("network --hostname/--domainname")
def test_its_own_name_belongs_to_its_address(cli: Cli, net: Net, image: str) -> None:
    words = ("--network", net.name, "--hostname", "alpha", "--domainname", "example.org")
    shown = cli("run", "--rm", *words, image, "sh", "-c", "hostname; hostname -f; cat /etc/hosts").stdout
    assert shown.startswith("alpha\nalpha.example.org\n")
    assert f"{net.four}.2\talpha.example.org alpha\n" in shown
    assert f"{net.six}:2\talpha.example.org alpha\n" in shown


@pytest.mark.census("network macvlan")
def test_macvlan_without_a_parent(cli: Cli, daemon: DaemonProcess, image: str) -> None:
    """On a parent of the host's, and in every mode: tests/root/test_sublinks.py."""
    if not kernel_has("macvlan"):
        assert "this kernel has no macvlan" in cli("network", "create", "-d", "macvlan", "alone", check=False).stderr
        return
    subnet = f"10.{int(daemon.subnet.split('.')[1]) - 99}.{daemon.subnet.split('.')[2]}.0/24"
    cli("network", "create", "-d", "macvlan", "--subnet", subnet, "alone")
    try:
        cli("run", "-d", "--name", "one", "--network", "alone", image, "sleep", "1000")
        said = cli("run", "--rm", "--network", "alone", image, "sh", "-c", "ip route; ping -c 1 -W 2 one").stdout
        assert "default" not in said
        assert "1 packets received" in said
        cli("network", "connect", "bridge", "one")
        assert "eth1" in cli("exec", "one", "ip", "route", "show", "default").stdout
        cli("network", "disconnect", "alone", "one")
        assert "eth0" not in cli("exec", "one", "ip", "-o", "link").stdout
        cli("rm", "-f", "one")
    finally:
        cli("network", "rm", "alone")


def test_ipvlan_where_the_kernel_has_it(cli: Cli, image: str) -> None:
    if not kernel_has("ipvlan"):
        refused = cli("network", "create", "-d", "ipvlan", "alone", check=False)
        assert refused.returncode == 1
        assert "this kernel has no ipvlan: use another driver" in refused.stderr
        assert "alone" not in cli("network", "ls").stdout
        return
    cli("network", "create", "-d", "ipvlan", "alone")
    shown = cli("run", "--rm", "--network", "alone", image, "ip", "-o", "link").stdout
    cli("network", "rm", "alone")
    assert "eth0" in shown


def kernel_has(kind: str) -> bool:
    with Netlink() as netlink:
        return rtnetlink_kinds.knows(netlink, kind)
