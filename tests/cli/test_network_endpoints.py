"""What containers ask of their endpoint on the command line, as they see it inside."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.cli.running import Cli, DaemonProcess

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


@pytest.mark.census("network --hostname/--domainname")
def test_its_own_name_belongs_to_its_address(cli: Cli, net: Net, image: str) -> None:
    words = ("--network", net.name, "--hostname", "alpha", "--domainname", "example.org")
    shown = cli("run", "--rm", *words, image, "sh", "-c", "hostname; hostname -f; cat /etc/hosts").stdout
    assert shown.startswith("alpha\nalpha.example.org\n")
    assert f"{net.four}.2\talpha.example.org alpha\n" in shown
    assert f"{net.six}:2\talpha.example.org alpha\n" in shown
