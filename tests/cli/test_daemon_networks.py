"""The daemon's options about networks, seen in containers and in the kernel."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from tests.cli.busybox import IMAGE
from tests.cli.on_own_host import crashed, on_host, on_own_host
from tests.cli.running import CommandLine, eventually

pytestmark = pytest.mark.root

MTU = "com.docker.network.driver.mtu"
DEFAULT_BRIDGE = [
    "--bip", "10.9.0.1/16", "--fixed-cidr", "10.9.8.0/24", "--default-gateway", "10.9.0.9",
    "--ipv6", "--bip6", "fd00:9::1/64", "--fixed-cidr-v6", "fd00:9::8:0/112", "--default-gateway-v6", "fd00:9::9",
    "--icc=false", "--ip-masq=false", "--mtu", "1400", "--ip", "127.0.0.1",
    "--default-network-opt", f"bridge={MTU}=1300",
    "--default-address-pool", "base=10.33.0.0/16,size=24", "--default-address-pool", "base=fd00:33::/56,size=64",
]  # fmt: skip


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A daemon with every option about its default bridge."""
    with on_own_host(tmp_path_factory.mktemp("settled"), *DEFAULT_BRIDGE) as line:
        yield line


def inspected(line: CommandLine, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line("network", "inspect", name).stdout)[0]
    return found


def inside(line: CommandLine, script: str, *options: str) -> str:
    return line("run", "--rm", *options, IMAGE, "sh", "-c", script).stdout


def test_the_default_bridge_is_shown_as_docker_shows_it(settled: CommandLine) -> None:
    found = inspected(settled, "bridge")
    assert found["IPAM"]["Config"] == [
        {
            "Subnet": "10.9.0.0/16",
            "IPRange": "10.9.8.0/24",
            "Gateway": "10.9.0.1",
            "AuxiliaryAddresses": {"DefaultGatewayIPv4": "10.9.0.9"},
        },
        {
            "Subnet": "fd00:9::/64",
            "IPRange": "fd00:9::8:0/112",
            "Gateway": "fd00:9::1",
            "AuxiliaryAddresses": {"DefaultGatewayIPv6": "fd00:9::9"},
        },
    ]
    assert found["EnableIPv6"] is True
    prefix = "com.docker.network.bridge."
    assert found["Options"] == {
        prefix + "default_bridge": "true",
        prefix + "enable_icc": "false",
        prefix + "enable_ip_masquerade": "false",
        prefix + "host_binding_ipv4": "127.0.0.1",
        prefix + "name": settled.daemon.bridge,
        MTU: "1400",
    }


@pytest.mark.census(
    *("dockerd --bip6", "dockerd --ipv6", "dockerd --fixed-cidr", "dockerd --fixed-cidr-v6"),
    *("dockerd --default-gateway", "dockerd --default-gateway-v6", "dockerd --mtu"),
)
def test_addresses_and_ways_out_of_containers(settled: CommandLine) -> None:
    lines = inside(settled, "ip -4 addr show eth0; ip -6 addr show eth0; ip route; ip -6 route").splitlines()
    words = [line.split() for line in lines]
    four, six = (next(w[1] for w in words if w[:1] == [kind] and "link" not in w) for kind in ("inet", "inet6"))
    assert ipaddress.ip_interface(four).ip in ipaddress.ip_network("10.9.8.0/24")
    assert ipaddress.ip_interface(six).ip in ipaddress.ip_network("fd00:9::8:0/112")
    assert (four.partition("/")[2], six.partition("/")[2]) == ("16", "64")
    ways = [line.split()[:3] for line in lines if line.startswith("default")]
    assert ways == [["default", "via", "10.9.0.9"], ["default", "via", "fd00:9::9"]]
    assert inside(settled, "cat /sys/class/net/eth0/mtu") == "1400\n"
    shown = on_host(settled, "ip", "-brief", "address", "show", "dev", settled.daemon.bridge)
    assert {"10.9.0.1/16", "fd00:9::1/64"} <= set(shown.split())


@pytest.mark.census("dockerd --icc")
def test_containers_reach_each_other_only_where_they_may(settled: CommandLine) -> None:
    served = settled("run", "-d", IMAGE, "httpd", "-f", "-h", "/www", "-p", "80").stdout.strip()
    address = settled("inspect", "-f", "{{.NetworkSettings.IPAddress}}", served).stdout.strip()
    ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} 80"
    eventually(lambda: serves(settled, f"http://{address}/"))
    assert settled("run", "--rm", IMAGE, "sh", "-c", ask, check=False).stdout == ""
    assert "carrack serves" in settled("exec", served, "sh", "-c", ask).stdout
    settled("rm", "-f", served)


@pytest.mark.census("dockerd --icc", "daemon.json icc", "network legacy links")
def test_a_link_leads_to_the_targets_ports_alone(settled: CommandLine) -> None:
    """And follows the target, through the end of the daemon too, until it is removed."""
    serve = ("sh", "-c", "httpd -h /www -p 80; exec httpd -f -h /www -p 81")
    settled("run", "-d", "--name", "db", "--expose", "80", IMAGE, *serve)
    settled("run", "-d", "--name", "web", "--link", "db:data", IMAGE, "sleep", "600")
    settled("run", "-d", "--name", "stranger", IMAGE, "sleep", "600")

    def answers(who: str, port: int = 80, version: str = "IPAddress") -> bool:
        address = settled("inspect", "-f", f"{{{{.NetworkSettings.{version}}}}}", "db").stdout.strip()
        ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 {address} {port}"
        return "carrack serves" in settled("exec", who, "sh", "-c", ask, check=False).stdout

    eventually(lambda: answers("db") and answers("db", 81))
    assert answers("web")
    assert answers("web", version="GlobalIPv6Address")
    assert not answers("web", 81)
    assert not answers("stranger")
    settled("restart", "-t", "0", "db")
    settled("run", "-d", "--name", "other", IMAGE, "sleep", "600")  # it may have what was the target's address
    eventually(lambda: answers("web"))
    with crashed(settled.daemon):
        pass
    assert answers("web")
    assert not answers("stranger")
    settled("rm", "--link", "web/data")
    assert not answers("web")
    settled("rm", "-f", "db", "web", "stranger", "other")


@pytest.mark.census("dockerd --ip")
def test_ports_are_published_where_the_option_says(settled: CommandLine) -> None:
    named = settled("run", "-d", "-p", "80", IMAGE, "sleep", "60").stdout.strip()
    assert settled("port", named).stdout.startswith("80/tcp -> 127.0.0.1:")
    assert len(settled("port", named).stdout.splitlines()) == 1
    settled("rm", "-f", named)


@pytest.mark.census("dockerd --default-network-opt", "daemon default-network-opts", "dockerd --default-address-pool")
def test_networks_have_usual_options_and_come_from_the_pools(settled: CommandLine) -> None:
    settled("network", "create", "--ipv6", "one")
    settled("network", "create", "--opt", f"{MTU}=1200", "two")
    one, two = inspected(settled, "one"), inspected(settled, "two")
    assert [pool["Subnet"] for pool in one["IPAM"]["Config"]] == ["10.33.0.0/24", "fd00:33::/64"]
    assert [pool["Subnet"] for pool in two["IPAM"]["Config"]] == ["10.33.1.0/24"]
    assert (one["Options"], two["Options"]) == ({MTU: "1300"}, {MTU: "1200"})
    for network, mtu in ((one, "1300"), (two, "1200")):
        shown = on_host(settled, "ip", "link", "show", "dev", f"br-{network['Id'][:12]}")
        assert f"mtu {mtu} " in shown
    assert inspected(settled, "bridge")["Options"][MTU] == "1400"
    pools = [{"Base": "10.33.0.0/16", "Size": 24}, {"Base": "fd00:33::/56", "Size": 64}]
    assert json.loads(settled("info", "--format", "{{json .DefaultAddressPools}}").stdout) == pools
    settled("network", "rm", "one", "two")


@pytest.mark.census("dockerd --bridge", "daemon.json bridge")
def test_no_default_bridge(tmp_path: Any) -> None:
    with on_own_host(tmp_path, "--bridge", "none", "--bip", "") as line:
        assert line("network", "ls", "--format", "{{.Name}}").stdout.split() == ["host", "none"]
        assert line("network", "inspect", "bridge", check=False).returncode == 1
        for options in ([], ["--network", "bridge"]):
            assert inside(line, "ls /sys/class/net", *options) == "lo\n"
        line("network", "create", "web")
        assert inside(line, "ls /sys/class/net", "--network", "web") == "eth0\nlo\n"
        line("network", "rm", "web")


def test_a_bridge_that_is_there_keeps_its_address(tmp_path: Any) -> None:
    made = "ip link add ub0 type bridge; ip addr add 10.7.0.3/24 dev ub0; ip link set ub0 up"
    with on_own_host(tmp_path, "--bridge", "ub0", "--bip", "", before=made) as line:
        assert inspected(line, "bridge")["IPAM"]["Config"] == [{"Subnet": "10.7.0.0/24", "Gateway": "10.7.0.3"}]
        assert "via 10.7.0.3" in inside(line, "ip route")


def test_a_subnet_on_the_hosts_way_is_refused(tmp_path: Any) -> None:
    made = "ip link add vpn0 type bridge; ip addr add 10.66.0.1/16 dev vpn0; ip link set vpn0 up"
    with on_own_host(tmp_path, before=made) as line:
        done = line("network", "create", "--subnet", "10.66.5.0/24", "web", check=False)
        assert done.returncode == 1
        assert "10.66.5.0/24 overlaps 10.66.0.0/16 of this host, which has a route there by vpn0" in done.stderr
        assert "web" not in line("network", "ls").stdout


#: what a server says; nothing when none answers
GET = [
    sys.executable,
    "-c",
    "import sys, urllib.request as r\n"
    "try: print(r.urlopen(sys.argv[1], timeout=1.5).read().decode())\n"
    "except OSError: pass",
]
OFF = "sysctl -qw net.ipv4.ip_forward=0"


@pytest.mark.census("dockerd --ip-forward")
def test_forwarding_is_left_alone(tmp_path: Any) -> None:
    with on_own_host(tmp_path, "--ip-forward=false", before=OFF) as line:
        assert inside(line, "ls /sys/class/net") == "eth0\nlo\n"
        assert on_host(line, "cat", "/proc/sys/net/ipv4/ip_forward") == "0\n"
        assert "chain guard" not in on_host(line, "nft", "list", "ruleset")


@pytest.mark.census("dockerd --ip-forward-no-drop", "network ip-forward-no-drop")
def test_other_links_are_guarded_unless_told_otherwise(tmp_path: Any) -> None:
    for options, guarded in ([], True), (["--ip-forward-no-drop"], False):
        root = tmp_path / str(guarded)
        root.mkdir()
        with on_own_host(root, *options, before=OFF) as line:
            assert on_host(line, "cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"
            assert ("chain guard" in on_host(line, "nft", "list", "ruleset")) is guarded


def test_ports_may_be_published_on_an_ipv6_address_by_default(tmp_path: Any) -> None:
    with on_own_host(tmp_path, "--ip", "::1") as line:
        served = line("run", "-d", "-p", "8080:80", IMAGE, "httpd", "-f", "-h", "/www").stdout.strip()
        assert line("port", served).stdout == "80/tcp -> [::1]:8080\n"
        eventually(partial(serves, line, "http://[::1]:8080/"))
        assert not serves(line, "http://127.0.0.1:8080/")
        line("network", "create", "web")
        other = line("run", "-d", "-p", "8081:80", "--network", "web", IMAGE, "sleep", "60").stdout.strip()
        assert line("port", other).stdout.splitlines() == ["80/tcp -> 0.0.0.0:8081", "80/tcp -> [::]:8081"]


@pytest.mark.census("dockerd --userland-proxy", "network userland-proxy")
def test_what_only_the_relay_can_do(tmp_path: Any) -> None:
    for option, works in ("--userland-proxy", True), ("--userland-proxy=false", False):
        root = tmp_path / str(works)
        root.mkdir()
        with on_own_host(root, option) as line:
            words = ("run", "-d", "-p", "[::1]:8080:80", IMAGE, "httpd", "-f", "-h", "/www", "-p", "80")
            done = line(*words, check=False)
            if not works:
                assert "the relay is switched off (userland-proxy)" in done.stderr
                continue
            assert done.returncode == 0, done.stderr
            eventually(partial(serves, line, "http://[::1]:8080/"))


def serves(line: CommandLine, url: str) -> bool:
    """Whether a client on the daemon's host is served."""
    return "carrack serves" in on_host(line, *GET, url)


@pytest.mark.census(
    "dockerd --allow-direct-routing",
    "network allow-direct-routing",
    "dockerd --bridge-accept-fwmark",
    "network bridge-accept-fwmark",
)
@pytest.mark.parametrize(
    ("options", "published", "unpublished"),
    [([], False, False), (["--allow-direct-routing"], True, False), (["--bridge-accept-fwmark", "0x7"], True, True)],
)
def test_who_may_come_by_a_route(tmp_path: Any, options: list[str], published: bool, unpublished: bool) -> None:
    """A neighbour that routes to a container; what comes from it is marked 7, which one of the daemons accepts."""
    with Neighbour() as neighbour, on_own_host(tmp_path, *options) as line:
        neighbour.meet(line)
        serve = "httpd -h /www -p 80; httpd -f -h /www -p 81"
        named = line("run", "-d", "-p", "80", IMAGE, "sh", "-c", serve).stdout.strip()
        address = line("inspect", "-f", "{{.NetworkSettings.IPAddress}}", named).stdout.strip()
        eventually(lambda: serves(line, f"http://{address}:81/"))
        assert neighbour.fetches(f"http://{address}:80/") is published
        assert neighbour.fetches(f"http://{address}:81/") is unpublished


@pytest.mark.census("dockerd --ip-masq")
@pytest.mark.parametrize("masquerade", [True, False])
def test_who_leaves_the_default_bridge_is_seen_under(tmp_path: Any, masquerade: bool) -> None:
    with Neighbour() as neighbour, on_own_host(tmp_path, f"--ip-masq={str(masquerade).lower()}") as line:
        neighbour.meet(line)
        with neighbour.listening(9000) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "listening\n"
            address = inside(line, "nc -w 3 203.0.113.2 9000 </dev/null; hostname -i").split()[0]
            assert server.stdout.readline().strip() == ("203.0.113.1" if masquerade else address)


class Neighbour:
    """Another host on a cable to the daemon's, which marks what comes from there."""

    def __enter__(self) -> Neighbour:
        self._life = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        return self

    def __exit__(self, *_: object) -> None:
        self._life.kill()
        self._life.wait()

    def meet(self, line: CommandLine) -> None:
        subnet, pid = ipaddress.ip_interface(line.daemon.subnet).network, self._life.pid
        on_host(line, "ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1", "netns", str(pid))
        on_host(line, "sh", "-ec", "ip addr add 203.0.113.1/24 dev out0; ip link set out0 up")
        marks = "add table ip marks; add chain ip marks pre { type filter hook prerouting priority -310; }; "
        on_host(line, "nft", marks + "add rule ip marks pre iifname out0 meta mark set 7")
        way = f"ip addr add 203.0.113.2/24 dev out1; ip link set out1 up; ip route add {subnet} via 203.0.113.1"
        self._run("sh", "-ec", way)

    def fetches(self, url: str) -> bool:
        return "carrack serves" in self._run(*GET, url)

    def listening(self, port: int) -> subprocess.Popen[str]:
        """A server there that tells who comes."""
        server = "import socket as s, sys; a = s.create_server(('203.0.113.2', int(sys.argv[1])));"
        server += "print('listening', flush=True); print(a.accept()[1][0], flush=True)"
        enter = ["nsenter", "--net", "--target", str(self._life.pid), sys.executable, "-c", server, str(port)]
        return subprocess.Popen(enter, stdout=subprocess.PIPE, text=True)

    def _run(self, *command: str) -> str:
        enter = ["nsenter", "--net", "--target", str(self._life.pid), *command]
        return subprocess.run(enter, capture_output=True, text=True, check=True).stdout
