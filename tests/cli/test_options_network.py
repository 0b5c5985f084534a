"""Network options: name files, addresses, and published ports that carry packets."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import Cli, api, created, eventually

pytestmark = pytest.mark.root
MAC = "02:42:0a:00:12:34"


def refused(docker: Cli, image: str, host: dict[str, object], **more: object) -> str:
    """The words with which a request is refused."""
    body = {"Image": image, "Cmd": ["true"], "HostConfig": host, **more}
    code, answer = api(docker.daemon, "POST", "/containers/create", body)
    assert code == 400, answer
    assert docker("ps", "-aq").stdout == ""
    return answer.decode()


@pytest.mark.census(
    "run --add-host",
    "run --dns",
    "run --dns-option",
    "run --dns-opt",
    "run --dns-search",
    "HostConfig.DnsOptions",
    "HostConfig.DnsSearch",
    "HostConfig.ExtraHosts",
    "network --add-host name:ip|host-gateway",
)
def test_name_files(cli: Cli, image: str) -> None:
    words = ["--dns", "192.0.2.1", "--dns", "192.0.2.2", "--dns-search", "a.test", "--dns-option", "ndots:3"]
    hosts = ["--add-host", "one:192.0.2.9", "--add-host", "gate:host-gateway", "--add-host", "six=[2001:db8::1]"]
    gateway = cli.daemon.subnet.partition("/")[0]
    for network in ([], ["--network", "none"], ["--network", "host"]):
        done = cli("run", "--rm", *words, *hosts, *network, image, "cat", "/etc/resolv.conf", "/etc/hosts")
        lines = [line.split() for line in done.stdout.splitlines()]
        servers = ["nameserver 192.0.2.1", "nameserver 192.0.2.2"]
        if not network:  # the resolver asks them
            servers = ["nameserver 127.0.0.11", "# ExtServers: [192.0.2.1 192.0.2.2]"]
        for line in (*servers, "search a.test", "options ndots:3"):
            assert line.split() in lines, network
        for line in ("192.0.2.9 one", f"{gateway} gate", "2001:db8::1 six"):
            assert line.split() in lines, network
    assert "invalid IP address in add-host" in refused(cli, image, {"ExtraHosts": ["one:nowhere"]})
    assert "Dns" in refused(cli, image, {"Dns": "192.0.2.1"})


@pytest.mark.census("run --mac-address", "Config.MacAddress")
def test_the_address_of_the_card(docker: Cli, image: str) -> None:
    card = ["cat", "/sys/class/net/eth0/address"]
    assert docker("run", "--rm", "--mac-address", MAC, image, *card).stdout.strip() == MAC
    endpoints = {"EndpointsConfig": {"bridge": {"MacAddress": MAC}}}
    container = created(docker.daemon, image, card, {}, NetworkingConfig=endpoints)
    assert docker("start", "-a", container).stdout.strip() == MAC
    docker("rm", container)
    for mode in ("none", "host"):
        assert "mac-address and the network mode" in refused(docker, image, {"NetworkMode": mode}, MacAddress=MAC)
    assert "invalid MAC address zz" in refused(docker, image, {}, MacAddress="zz")
    assert "invalid MAC address" in refused(docker, image, {}, MacAddress="01:00:5e:00:00:01")
    other = {"EndpointsConfig": {"bridge": {"MacAddress": "02:42:0a:00:12:35"}}}
    assert "must match" in refused(docker, image, {}, MacAddress=MAC, NetworkingConfig=other)


def test_what_the_bridge_does_not_give(docker: Cli, image: str) -> None:
    for field, value, told in (
        ("Aliases", ["a"], "network-scoped alias is supported only for containers in user defined networks"),
        ("IPAMConfig", {"IPv4Address": "10.1.2.3"}, "user specified IP address is supported on user defined networks"),
        ("DriverOpts", {"com.docker.network.endpoint.ifname": "a/b"}, "invalid interface name 'a/b'"),
    ):
        endpoints = {"EndpointsConfig": {"bridge": {field: value}}}
        assert told in refused(docker, image, {}, NetworkingConfig=endpoints)


def test_a_network_that_is_not_there(docker: Cli, image: str) -> None:
    endpoints: dict[str, object] = {"EndpointsConfig": {"mine": {}}}
    for host, more in (({"NetworkMode": "mine"}, {}), ({"NetworkMode": "mine"}, {"NetworkingConfig": endpoints})):
        missing = docker("start", created(docker.daemon, image, ["true"], dict(host), **more), check=False)
        assert "network mine not found" in missing.stderr
    container = created(docker.daemon, image, ["ls", "/sys/class/net"], {}, NetworkDisabled=True)
    assert docker("start", "-a", container).stdout == "lo\n"


def test_sharing_a_network_leaves_nothing_of_its_own(docker: Cli, image: str) -> None:
    owner = created(docker.daemon, image, ["true"], {})
    host: dict[str, object] = {"NetworkMode": f"container:{owner}"}
    for more, config, words in (
        ({}, {"Hostname": "x"}, "hostname and the network mode"),
        ({"Dns": ["192.0.2.1"]}, {}, "dns and the network mode"),
        ({"ExtraHosts": ["a:192.0.2.1"]}, {}, "custom host-to-IP mapping"),
        ({"PublishAllPorts": True}, {}, "port publishing and the container type network mode"),
        ({}, {"ExposedPorts": {"80/tcp": {}}}, "port exposing and the container type network mode"),
    ):
        body = {"Image": image, "HostConfig": {**host, **more}, **config}
        status, answer = api(docker.daemon, "POST", "/containers/create", body)
        assert (status, words in answer.decode()) == (400, True), words


def _free_ports(count: int) -> int:
    """The first of some ports in a row that nobody has."""
    for first in range(23000, 32000, 7):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for number, one in enumerate(sockets):
                one.bind(("127.0.0.1", first + number))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise AssertionError("no free ports")


def _answers(port: int, wanted: bytes) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                return connection.recv(100) == wanted
        except OSError:
            return False

    return ask


@pytest.mark.census("run --publish", "HostConfig.PortBindings{}[].HostIp", "HostConfig.PortBindings{}[].HostPort")
def test_ports_are_published_as_asked(docker: Cli, image: str) -> None:
    first = _free_ports(2)
    script = "for p in 81 82 83; do nc -ll -p $p -e echo port $p & done; wait"
    words = ["-p", f"127.0.0.1:{first}-{first + 1}:81-82", "-p", "83", "-p", "127.0.0.1::90/udp", "--expose", "84"]
    docker("run", "-d", "--name", "many", *words, image, "sh", "-c", script)
    shown = dict(line.split(" -> ") for line in docker("port", "many").stdout.splitlines())
    assert (shown["81/tcp"], shown["82/tcp"]) == (f"127.0.0.1:{first}", f"127.0.0.1:{first + 1}")
    assert "84/tcp" not in shown
    for container, port in ((81, first), (82, first + 1), (83, int(shown["83/tcp"].rpartition(":")[2]))):
        eventually(_answers(port, f"port {container}\n".encode()))
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", int(shown["90/udp"].rpartition(":")[2])))

        def arrived() -> bool:
            try:
                sender.send(b"datagram")
            except ConnectionRefusedError:
                pass  # the container's kernel says so of the one before: nobody listens there
            counts = docker("exec", "many", "grep", "Udp:", "/proc/net/snmp").stdout.splitlines()[1].split()
            return int(counts[2]) > 0  # NoPorts

        eventually(arrived)


def test_all_exposed_ports_are_published(docker: Cli, image: str) -> None:
    words = ["-P", "--expose", "81-82", "--expose", "90/udp"]
    docker("run", "-d", "--name", "all", *words, image, "nc", "-ll", "-p", "81", "-e", "echo", "here")
    shown = dict(line.split(" -> ") for line in docker("port", "all").stdout.splitlines() if "[::]" not in line)
    assert set(shown) == {"81/tcp", "82/tcp", "90/udp"}
    eventually(_answers(int(shown["81/tcp"].rpartition(":")[2]), b"here\n"))


def test_ports_without_a_network_are_warned_of(docker: Cli, image: str, tmp_path: Path) -> None:
    for mode in ("host", "none"):
        body = {"Image": image, "HostConfig": {"NetworkMode": mode, "PortBindings": {"80/tcp": [{"HostPort": "1"}]}}}
        _, answer = api(docker.daemon, "POST", "/containers/create", body)
        assert f"discarded when using {mode} network mode" in json.loads(answer)["Warnings"][0]
    assert "invalid port specification" in refused_port(docker, image, "x/tcp")


def refused_port(docker: Cli, image: str, key: str) -> str:
    """The words with which a port is refused."""
    body = {"Image": image, "HostConfig": {"PortBindings": {key: []}}}
    code, answer = api(docker.daemon, "POST", "/containers/create", body)
    assert code == 400
    return answer.decode()
