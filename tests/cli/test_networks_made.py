"""What a network is made with, seen in its containers and in the kernel; what is refused leaves nothing."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.busybox import IMAGE
from tests.cli.on_own_host import crashed, on_host, on_own_host
from tests.cli.running import CommandLine, api, created

pytestmark = pytest.mark.root

B, D = "com.docker.network.bridge.", "com.docker.network."


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with on_own_host(tmp_path_factory.mktemp("made"), "--default-address-pool", "base=10.44.0.0/16,size=24") as line:
        yield line


@pytest.fixture
def line(host: CommandLine) -> Iterator[CommandLine]:
    yield host
    if names := host("ps", "-aq").stdout.split():
        host("rm", "-f", *names)
    host("network", "prune", "-f")
    if left := host("network", "ls", "-q", "--filter", "type=custom").stdout.split():
        host("network", "rm", *left)


def made(line: CommandLine, name: str = "web", **body: Any) -> dict[str, Any]:
    """A network by the API, as inspect shows it."""
    status, answer = api(line.daemon, "POST", "/networks/create", {"Name": name, **body})
    assert status == 201, answer
    return inspected(line, json.loads(answer)["Id"])


def inspected(line: CommandLine, name: str) -> dict[str, Any]:
    status, answer = api(line.daemon, "GET", f"/networks/{name}")
    assert status == 200, answer
    found: dict[str, Any] = json.loads(answer)
    return found


def pool(subnet: str, **more: Any) -> dict[str, Any]:
    return {"Config": [{"Subnet": subnet, **more}]}


def inside(line: CommandLine, script: str, *options: str, network: str = "web") -> str:
    return line("run", "--rm", "--network", network, *options, IMAGE, "sh", "-c", script).stdout


def address(line: CommandLine, family: str = "inet", **more: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    words = inside(line, "ip addr show eth0; ip addr show net0 2>/dev/null; true", **more).split()
    found = [words[at + 1] for at, word in enumerate(words) if word == family]
    return ipaddress.ip_interface(next(text for text in found if not text.startswith("fe80")))


def bridges(line: CommandLine) -> set[str]:
    """The networks' interfaces; what is being removed has another name."""
    shown = on_host(line, "ip", "-brief", "link", "show", "type", "bridge")
    return {row.split()[0] for row in shown.splitlines() if not row.startswith("gone")}


def bridge(network: dict[str, Any]) -> str:
    return f"br-{network['Id'][:12]}"


@pytest.mark.census(
    "POST /networks/create Name", "POST /networks/create Driver", "network bridge", "network default-address-pools"
)
def test_a_plain_one(line: CommandLine) -> None:
    network = made(line, Driver="bridge")
    assert network["IPAM"]["Config"] == [{"Subnet": "10.44.0.0/24", "Gateway": "10.44.0.1"}]
    assert "10.44.0.1/24" in on_host(line, "ip", "-brief", "address", "show", "dev", bridge(network)).split()
    assert address(line).network == ipaddress.ip_network("10.44.0.0/24")
    assert "default via 10.44.0.1" in inside(line, "ip route")


@pytest.mark.census(
    "POST /networks/create IPAM",
    "POST /networks/create IPAM.Driver",
    "POST /networks/create IPAM.Options",
    "POST /networks/create IPAM.Config",
    "POST /networks/create IPAM.Config[].Subnet",
    "POST /networks/create IPAM.Config[].IPRange",
    "POST /networks/create IPAM.Config[].Gateway",
    "POST /networks/create IPAM.Config[].AuxiliaryAddresses",
    "network subnet/ip-range/gateway/aux-address multiple",
    "GET /networks → [].IPAM.Config[].AuxiliaryAddresses",
    "GET /networks → [].IPAM.Config[].IPRange",
)
def test_addresses_are_given_as_planned(line: CommandLine) -> None:
    plan = pool("10.50.0.0/24", IPRange="10.50.0.8/30", Gateway="10.50.0.77", AuxiliaryAddresses={"nas": "10.50.0.9"})
    network = made(line, IPAM={**plan, "Driver": "default", "Options": {"kept": "yes"}})
    assert network["IPAM"] == {"Driver": "default", "Options": {"kept": "yes"}, "Config": plan["Config"]}
    _, answer = api(line.daemon, "GET", "/networks?filters=%7B%22name%22:%5B%22web%22%5D%7D")
    assert json.loads(answer)[0]["IPAM"]["Config"] == plan["Config"]
    given = {str(address(line).ip) for _ in range(4)}
    assert given <= {"10.50.0.8", "10.50.0.10", "10.50.0.11"}, "of the range, but the auxiliary one"
    assert "default via 10.50.0.77" in inside(line, "ip route")
    taken = line("run", "--rm", "--network", "web", "--ip", "10.50.0.9", IMAGE, "true", check=False)
    assert "10.50.0.9" in taken.stderr


@pytest.mark.census("POST /networks/create EnableIPv6", "POST /networks/create EnableIPv4")
def test_versions(line: CommandLine) -> None:
    both = made(line, EnableIPv6=True)
    ula = both["IPAM"]["Config"][1]["Subnet"]
    assert ipaddress.IPv6Network(ula).subnet_of(ipaddress.IPv6Network("fd00::/8"))
    assert str(address(line, "inet6").network) == ula
    six = made(line, "six", EnableIPv4=False, EnableIPv6=True, IPAM=pool("fd00:50::/64"))
    assert address(line, "inet6", network="six").ip in ipaddress.ip_network("fd00:50::/64")
    assert "inet 10." not in inside(line, "ip addr show eth0", network="six")
    assert "10." not in on_host(line, "ip", "-brief", "address", "show", "dev", bridge(six))
    four = made(line, "four")
    assert "inet6" not in inside(line, "ip addr show eth0", network="four")
    assert "inet6" not in on_host(line, "ip", "address", "show", "dev", bridge(four))


@pytest.mark.census("POST /networks/create Internal", "network create --internal")
def test_an_internal_one_has_no_way_out(line: CommandLine) -> None:
    made(line, Internal=True)
    assert "default" not in inside(line, "ip route")
    served = line("run", "-d", "--name", "in", "--network", "web", IMAGE, "httpd", "-f", "-h", "/www").stdout.strip()
    there = line("inspect", "-f", "{{.NetworkSettings.Networks.web.IPAddress}}", served).stdout.strip()
    ask = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2"
    assert "carrack serves" in inside(line, f"{ask} {there} 80")
    assert inside(line, f"{ask} {there} 80 || true", network="bridge") == ""


@pytest.mark.census("POST /networks/create Attachable", "network --attachable", "POST /networks/create Scope")
def test_what_is_only_said_is_shown(line: CommandLine) -> None:
    network = made(line, Attachable=True, Scope="local")
    assert (network["Attachable"], network["Scope"]) == (True, "local")


@pytest.mark.census("POST /networks/create Labels", "network network prune")
def test_labels_find_networks(line: CommandLine) -> None:
    made(line, Labels={"tier": "front", "empty": ""})
    made(line, "other")
    for label in ("tier", "tier=front", "empty="):
        assert line("network", "ls", "--filter", f"label={label}", "--format", "{{.Name}}").stdout == "web\n"
    assert line("network", "prune", "-f", "--filter", "label!=tier").stdout.split() == ["Deleted", "Networks:", "other"]
    assert inspected(line, "web")


@pytest.mark.census("POST /networks/create Options")
def test_options_have_their_effect(line: CommandLine) -> None:
    network = made(line, Options={
        B + "name": "made0", D + "driver.mtu": "1234", D + "container_iface_prefix": "net",
        B + "host_binding_ipv4": "127.0.0.7", "of.nobody": "x",
    })  # fmt: skip
    assert network["Options"][B + "name"] == "made0"
    assert "mtu 1234 " in on_host(line, "ip", "link", "show", "dev", "made0")
    assert inside(line, "ls /sys/class/net; cat /sys/class/net/net0/mtu").split() == ["lo", "net0", "1234"]
    named = line("run", "-d", "--network", "web", "-p", "80", IMAGE, "sleep", "60").stdout.strip()
    assert line("port", named).stdout.startswith("80/tcp -> 127.0.0.7:")


def test_an_option_of_nobody_is_kept_and_told(line: CommandLine) -> None:
    body = {"Name": "web", "Options": {"of.nobody": "x"}, "IPAM": pool("fd00:51::/64")}
    status, answer = api(line.daemon, "POST", "/networks/create", body)
    assert (status, json.loads(answer)["Warning"]) == (
        201,
        "driver bridge does not know option of.nobody: it has no effect; "
        "subnet fd00:51::/64 has no effect: IPv6 is not enabled (--ipv6)",
    )


@pytest.mark.census(
    "POST /networks/create ConfigOnly",
    "POST /networks/create ConfigFrom",
    "POST /networks/create ConfigFrom.Network",
    "network config-only/config-from",
)
def test_a_configuration_makes_networks(line: CommandLine) -> None:
    conf = made(line, "conf", ConfigOnly=True, IPAM=pool("10.53.0.0/24"), Options={D + "driver.mtu": "1300"})
    assert conf["ConfigOnly"] is True
    assert "10.53.0" not in on_host(line, "ip", "address")
    web = made(line, ConfigFrom={"Network": "conf"})
    assert (web["ConfigFrom"], web["IPAM"]["Config"]) == ({"Network": "conf"}, [{"Subnet": "10.53.0.0/24"}])
    assert address(line).ip in ipaddress.ip_network("10.53.0.0/24")
    assert inside(line, "cat /sys/class/net/eth0/mtu") == "1300\n"
    assert line("network", "rm", "conf", check=False).returncode == 1
    line("network", "rm", "web")
    line("network", "rm", "conf")


@pytest.mark.census(
    "POST /networks/create Ingress",
    "network --ingress",
    "network overlay",
    "network remote plugin",
    "network IPAM default|null|windows|plugin",
)
def test_the_smallest_subnets(line: CommandLine) -> None:
    """Of two addresses (RFC 3021) the gateway has one and a container the other; of one the gateway has it."""
    two = made(line, "two", IPAM=pool("10.45.1.0/31"))
    run = ("run", "-d", "--network", "two", "-p", "127.0.0.1::80", IMAGE)
    name = line(*run, "sh", "-c", "echo hello >/index.html; httpd -f -h /").stdout.strip()
    shown = line(
        "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Gateway}} {{.IPAddress}}/{{.IPPrefixLen}}{{end}}", name
    )
    assert shown.stdout == "10.45.1.0 10.45.1.1/31\n"
    line("exec", name, "ping", "-c", "1", "-w", "5", "10.45.1.0")
    published = line("port", name, "80").stdout.strip()
    assert on_host(line, "busybox", "wget", "-qO-", f"http://{published}/") == "hello\n"
    full = line("run", "--rm", "--network", "two", IMAGE, "true", check=False)
    assert f"no available IPv4 addresses on this network's address pools: two ({two['Id']})" in full.stderr
    made(line, "one", IPAM=pool("10.45.1.4/32"))
    none = line("run", "--rm", "--network", "one", IMAGE, "true", check=False)
    assert "no available IPv4 addresses on this network's address pools: one" in none.stderr


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"Ingress": True}, 403, "Ingress network can only be global scope network"),
        ({"Driver": "overlay"}, 403, "This node is not a swarm manager"),
        ({"IPAM": {"Driver": "null"}}, 400, "ipv4 pool is empty"),
        ({"IPAM": {"Driver": "cake"}}, 404, 'plugin "cake" not found'),
        ({"Driver": "cake"}, 404, 'plugin "cake" not found'),
        ({"IPAM": pool("10.44.0.0/24")}, 403, "overlaps 10.44.0.0/24 of network held"),
        ({"Options": {B + "name": "lo"}}, 409, "interface lo is there already and is not a bridge"),
        ({"Name": "held"}, 409, "network with name held already exists"),
    ],
)
def test_what_is_refused_leaves_nothing(line: CommandLine, body: dict[str, Any], status: int, told: str) -> None:
    made(line, "held")
    before = bridges(line), line("network", "ls", "-q").stdout
    code, answer = api(line.daemon, "POST", "/networks/create", {"Name": "bad", **body})
    assert code == status
    assert told in json.loads(answer)["message"]
    assert (bridges(line), line("network", "ls", "-q").stdout) == before


@pytest.mark.parametrize("name", ["x" * 70, "a b", "é", "-x", "a/b", "0123456789ab", "container"])
def test_names_are_free(line: CommandLine, name: str) -> None:
    network = made(line, name)
    assert inside(line, "ls /sys/class/net", network=network["Id"]) == "eth0\nlo\n"
    assert line("network", "inspect", "-f", "{{.Name}}", network["Id"][:12]).stdout == f"{name}\n"
    line("network", "rm", network["Id"])


@pytest.mark.census(
    "GET /containers/json → [].NetworkSettings.Networks{}.IPAMConfig.*",
    "GET /system/df → Containers[].NetworkSettings.Networks{}.IPAMConfig.*",
)
def test_wanted_addresses_are_listed(line: CommandLine) -> None:
    made(line, EnableIPv6=True, IPAM={"Config": [{"Subnet": "10.70.0.0/24"}, {"Subnet": "fd00:70::/64"}]})
    wanted = {"IPv4Address": "10.70.0.7", "IPv6Address": "fd00:70::7", "LinkLocalIPs": ["169.254.7.7", "fe80::7"]}
    endpoints = {"EndpointsConfig": {"web": {"IPAMConfig": wanted}}}
    named = created(line.daemon, IMAGE, ["sleep", "60"], {"NetworkMode": "web"}, NetworkingConfig=endpoints)
    line("start", named)
    shown = line("exec", named, "ip", "addr", "show", "eth0").stdout
    assert all(f"{text}/" in shown for text in ("10.70.0.7", "fd00:70::7", "169.254.7.7", "fe80::7"))
    _, listed = api(line.daemon, "GET", "/containers/json")
    _, usage = api(line.daemon, "GET", "/system/df")
    for rows in (json.loads(listed), json.loads(usage)["Containers"]):
        assert rows[0]["NetworkSettings"]["Networks"]["web"]["IPAMConfig"] == wanted


def test_networks_outlive_a_killed_daemon(line: CommandLine) -> None:
    """With their containers, whose names they keep; one whose bridge is somebody else's now is kept and told."""
    daemon = line.daemon
    web, lost = made(line, EnableIPv6=True), made(line, "lost", Options={B + "name": "lost0", D + "driver.mtu": "1000"})
    served = line("run", "-d", "--name", "in", "--network", "web", IMAGE, "httpd", "-f", "-h", "/www").stdout.strip()
    with crashed(daemon) as enter:
        script = "ip link delete lost0; ip link add lost0 type veth peer name lost1"
        subprocess.run([*enter, "sh", "-ec", script], check=True)
    assert inspected(line, "web")["Containers"][served]["Name"] == "in"
    assert {**inspected(line, "web"), "Containers": {}} == web
    assert inspected(line, "lost") == lost
    assert "network lost cannot be used" in daemon.log.read_text()
    address = line("inspect", "-f", "{{.NetworkSettings.Networks.web.IPAddress}}", served).stdout.strip()
    assert "carrack serves" in inside(line, f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} 80")
    on_host(line, "ip", "link", "delete", "lost0")
    assert inside(line, "ls /sys/class/net; cat /sys/class/net/eth0/mtu", network="lost").split() == [
        "eth0",
        "lo",
        "1000",
    ]


def test_records_of_the_version_before(tmp_path: Path) -> None:
    """Networks were predefined ones then, of four fields each."""
    import sqlite3

    ids = {"bridge": "ab" * 32, "host": "cd" * 32, "none": "ef" * 32}
    with on_own_host(tmp_path) as line:
        line.daemon.end()
        with sqlite3.connect(tmp_path / "data" / "meta.db") as db:
            db.execute("DELETE FROM network")
            for name, driver in (("bridge", "bridge"), ("host", "host"), ("none", "null")):
                old = {"id": ids[name], "name": name, "driver": driver, "created": 5}
                db.execute("INSERT INTO network VALUES (?, ?)", (ids[name], json.dumps(old)))
        db.close()
        line.daemon.start()
        for name, identity in ids.items():
            assert inspected(line, name)["Id"] == identity
        assert inspected(line, "bridge")["IPAM"]["Config"][0]["Gateway"] == line.daemon.subnet.partition("/")[0]
        assert inside(line, "ls /sys/class/net", network="bridge") == "eth0\nlo\n"
