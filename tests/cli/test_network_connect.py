"""Containers on several networks: from their creation, live, and through the deaths of program and daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, created, eventually

pytestmark = pytest.mark.root

ENDPOINT = "NetworkingConfig.EndpointsConfig{}"
CONNECT = "POST /networks/{id}/connect EndpointConfig"
OPERATIONAL = (
    "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen",
    "NetworkID", "DNSNames",
)  # fmt: skip
FORWARDING = "net.ipv4.conf.IFNAME.forwarding=1"


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str) -> Iterator[CommandLine]:
    """A command line to a daemon of its own, which may be killed, with the networks front (IPv6, too) and back."""
    process = DaemonProcess(tmp_path_factory.mktemp("own"), "--live-restore")
    second = int(process.subnet.split(".")[1]) + 1 & 255
    process._options += ("--default-address-pool", f"base=10.{second}.0.0/16,size=24")
    cli = CommandLine("carrack", process)
    try:
        process.start()
        cli("load", stdin=CommandLine("carrack", daemon).raw("save", image))
        third = process.subnet.split(".")[2]
        pool = f"10.{second}.{third}.0/24"
        made = {
            "Name": "front",
            "EnableIPv6": True,
            "IPAM": {"Config": [{"Subnet": pool}, {"Subnet": "fd00:5:6::/64"}]},
        }
        assert api(process, "POST", "/networks/create", made)[0] == 201
        assert api(process, "POST", "/networks/create", {"Name": "back"})[0] == 201
        yield cli
    finally:
        left = cli("ps", "-aq", check=False).stdout.split()
        cli("rm", "-fv", *left, check=False)
        for name in ("front", "back", "inner"):
            api(process, "DELETE", f"/networks/{name}")
        process.stop()


def shown(cli: Cli, name: str) -> dict[str, Any]:
    """A container's endpoints."""
    document: dict[str, Any] = json.loads(cli("inspect", "-f", "{{json .NetworkSettings.Networks}}", name).stdout)
    return document


def interfaces(cli: Cli, name: str) -> dict[str, list[str]]:
    """The addresses inside by interface, but for the loopback's and those a kernel chooses."""
    found: dict[str, list[str]] = {}
    for line in cli("exec", name, "ip", "-o", "addr").stdout.splitlines():
        _, interface, _, address, *_ = line.split()
        if interface != "lo" and not address.startswith("fe80"):
            found.setdefault(interface, []).append(address.partition("/")[0])
    return found


def hosts(cli: Cli, name: str) -> list[str]:
    """The addresses of the container's own name in its file."""
    lines = cli("exec", name, "cat", "/etc/hosts").stdout.splitlines()
    return [line.partition("\t")[0] for line in lines if line.endswith("\tbox")]


def leaves_by(cli: Cli, name: str) -> str:
    """The gateway of the default route."""
    routes = cli("exec", name, "ip", "route").stdout
    return next((line.split()[2] for line in routes.splitlines() if line.startswith("default")), "")


def answers(cli: Cli, name: str, wanted: str) -> bool:
    return cli("exec", name, "ping", "-c1", "-W2", wanted, check=False).returncode == 0


def subnet(cli: Cli, name: str) -> str:
    return cli("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", name).stdout.strip()


def within(cli: Cli, network: str, number: int) -> str:
    return subnet(cli, network).rpartition(".")[0] + f".{number}"


@pytest.mark.census(
    *(f"{ENDPOINT}{field}" for field in (".Aliases", ".DriverOpts", ".GwPriority", ".IPAMConfig", ".MacAddress")),
    *(f"{ENDPOINT}.IPAMConfig.{field}" for field in ("IPv4Address", "IPv6Address")),
    *(f"{ENDPOINT}.{field}" for field in OPERATIONAL), "NetworkingConfig", "NetworkingConfig.EndpointsConfig",
    "sysctl net.<IFNAME> per endpoint*", "HostConfig.NetworkMode",
)  # fmt: skip
def test_from_the_creation(own: CommandLine, image: str) -> None:
    options = {"com.docker.network.endpoint.ifname": "wan0", "com.docker.network.endpoint.sysctls": FORWARDING}
    front = {
        "IPAMConfig": {"IPv4Address": within(own, "front", 77), "IPv6Address": "fd00:5:6::77"},
        "MacAddress": "02-00-00-00-00-07", "Aliases": ["www"], "GwPriority": 3, "DriverOpts": options,
        "EndpointID": "nonsense", "IPAddress": "1.2.3.4", "DNSNames": ["no"],
    }  # fmt: skip
    networks = {"EndpointsConfig": {"front": front, "back": None}}
    c = created(
        own.daemon, image, ["sleep", "1000"], {"NetworkMode": "front"}, NetworkingConfig=networks, Hostname="box"
    )
    own("rename", c, "both")
    own("start", "both")
    endpoints = shown(own, "both")
    address = endpoints["back"]["IPAddress"]
    assert interfaces(own, "both") == {"wan0": [within(own, "front", 77), "fd00:5:6::77"], "eth0": [address]}
    assert hosts(own, "both") == [within(own, "front", 77), "fd00:5:6::77", address]
    assert leaves_by(own, "both") == endpoints["front"]["Gateway"] == within(own, "front", 1)
    assert own("exec", "both", "cat", "/sys/class/net/wan0/address").stdout == "02:00:00:00:00:07\n"
    assert own("exec", "both", "cat", "/proc/sys/net/ipv4/conf/wan0/forwarding").stdout == "1\n"
    assert endpoints["front"]["DNSNames"] == ["both", "www", c[:12], "box"]
    for network in ("front", "back"):
        for name in ("both", c[:12], "box", *(["www", f"www.{network}"] if network == "front" else [])):
            asked = own("run", "--rm", "--network", network, image, "ping", "-c1", "-W2", name, check=False)
            assert asked.returncode == 0, (network, name)


@pytest.mark.census(
    "POST /networks/{id}/connect", "POST /networks/{id}/connect Container", CONNECT,
    *(f"{CONNECT}.{field}" for field in ("Aliases", "DriverOpts", "GwPriority", "IPAMConfig", "MacAddress")),
    *(f"{CONNECT}.IPAMConfig.{field}" for field in ("IPv4Address", "IPv6Address")),
    *(f"{CONNECT}.{field}" for field in OPERATIONAL),
    *(f"POST /networks/{{id}}/disconnect{field}" for field in ("", " Container", " Force")),
    "network hot connect/disconnect", "event network connect", "event network disconnect",
)  # fmt: skip
@pytest.mark.parametrize("paused", [False, True])
def test_while_it_runs(own: CommandLine, image: str, paused: bool) -> None:
    since = str(int(time.time()) - 1)
    own("run", "-d", "--name", "live", "-h", "box", "--network", "back", image, "sleep", "1000")
    own("run", "-d", "--name", "other", "--network", "front", image, "sleep", "1000")
    before = shown(own, "live")["back"]
    wanted = {
        "Aliases": ["www"], "GwPriority": 9, "MacAddress": "02:00:00:00:00:09", "IPAddress": "1.2.3.4",
        "IPAMConfig": {"IPv4Address": within(own, "front", 99), "IPv6Address": "fd00:5:6::99"},
        "DriverOpts": {"com.docker.network.endpoint.ifname": "wan0"},
    }  # fmt: skip
    if paused:
        own("pause", "live")
    body = {"Container": "live", "EndpointConfig": wanted}
    assert api(own.daemon, "POST", "/networks/front/connect", body) == (200, b"")
    if paused:
        own("unpause", "live")
    assert interfaces(own, "live") == {
        "eth0": [before["IPAddress"]],
        "wan0": [within(own, "front", 99), "fd00:5:6::99"],
    }
    assert leaves_by(own, "live") == within(own, "front", 1)
    assert hosts(own, "live") == [within(own, "front", 99), "fd00:5:6::99", before["IPAddress"]]
    assert answers(own, "other", "www")
    assert answers(own, "live", "other")
    assert shown(own, "live")["back"] == before
    status, told = api(own.daemon, "POST", "/networks/front/connect", body)
    assert (status, b"endpoint with name live already exists in network front" in told) == (403, True)
    if paused:
        own("pause", "live")
    assert api(own.daemon, "POST", "/networks/back/disconnect", {"Container": "live", "Force": True})[0] == 200
    if paused:
        own("unpause", "live")
    assert list(interfaces(own, "live")) == ["wan0"]
    status, told = api(own.daemon, "POST", "/networks/back/disconnect", {"Container": "live"})
    assert (status, b"is not connected to network back" in told) == (500, True)
    assert api(own.daemon, "POST", "/networks/front/disconnect", {"Container": "live"})[0] == 200
    assert (interfaces(own, "live"), shown(own, "live"), hosts(own, "live")) == ({}, {}, [])
    assert not answers(own, "other", "www")
    assert api(own.daemon, "POST", "/networks/bridge/connect", {"Container": "live"})[0] == 200
    assert list(interfaces(own, "live")) == ["eth0"]
    heard = own(
        "events", "--since", since, "--until", str(int(time.time()) + 1), "-f", "type=network", "--format", "{{json .}}"
    )  # fmt: skip
    found = [json.loads(line) for line in heard.stdout.splitlines()]
    identity = own("inspect", "-f", "{{.Id}}", "live").stdout.strip()
    ours = [event for event in found if event["Actor"]["Attributes"].get("container") == identity]
    lines = [" ".join((e["Action"], *(e["Actor"]["Attributes"][key] for key in ("name", "type")))) for e in ours]
    assert lines == [
        "connect back bridge", "connect front bridge", "disconnect back bridge", "disconnect front bridge",
        "connect bridge bridge",
    ]  # fmt: skip


def test_while_it_does_not_run(own: CommandLine, image: str) -> None:
    own("create", "--name", "later", "-h", "box", "--network", "back", image, "sleep", "1000")
    assert api(own.daemon, "POST", "/networks/front/connect", {"Container": "later"})[0] == 200
    assert api(own.daemon, "POST", "/networks/back/disconnect", {"Container": "later"})[0] == 200
    status, told = api(own.daemon, "POST", "/networks/nope/connect", {"Container": "later"})
    assert (status, told) == (404, b'{"message":"network nope not found"}\n')
    own("start", "later")
    assert list(shown(own, "later")) == ["front"]
    assert list(interfaces(own, "later")) == ["eth0"]


def test_a_network_that_was_made_anew_will_do(own: CommandLine, image: str) -> None:
    """With dockerd the container has to be made anew as well, for it keeps the network's old id."""
    own("create", "--name", "faithful", "--network", "back", image, "true")
    assert own("start", "-a", "faithful").returncode == 0
    own("network", "rm", "back")
    told = own("start", "faithful", check=False)
    assert "failed to set up container networking: network back not found" in told.stderr
    own("network", "create", "back")
    assert own("start", "-a", "faithful").returncode == 0


def test_what_survives_a_killed_daemon(own: CommandLine, image: str) -> None:
    own("run", "-d", "--name", "one", "-h", "box", "--network", "back", image, "sleep", "1000")
    own("run", "-d", "--name", "two", "--network", "front", "--network-alias", "www", image, "sleep", "1000")
    assert api(own.daemon, "POST", "/networks/front/connect", {"Container": "one"})[0] == 200
    before = shown(own, "one"), interfaces(own, "one"), hosts(own, "one")
    own.daemon.crash()
    own.daemon.start()
    assert (shown(own, "one"), interfaces(own, "one"), hosts(own, "one")) == before
    eventually(lambda: answers(own, "one", "www"))
    status, told = api(own.daemon, "DELETE", "/networks/front")
    assert (status, b"has active endpoints" in told) == (403, True)
    address = before[0]["front"]["IPAddress"]
    wanted = {"Container": "two", "EndpointConfig": {"IPAMConfig": {"IPv4Address": address}}}
    assert api(own.daemon, "POST", "/networks/front/disconnect", {"Container": "two"})[0] == 200
    status, told = api(own.daemon, "POST", "/networks/front/connect", wanted)
    assert (status, b"Address already in use" in told) == (403, True)
    assert api(own.daemon, "POST", "/networks/front/disconnect", {"Container": "one"})[0] == 200
    assert api(own.daemon, "POST", "/networks/front/connect", wanted)[0] == 200
    assert shown(own, "two")["front"]["IPAddress"] == address
    assert list(interfaces(own, "one")) == ["eth0"]


def test_a_restarted_program_is_on_all_its_networks(own: CommandLine, image: str) -> None:
    own("run", "-d", "--name", "again", "--restart", "always", "--network", "front", image, "sleep", "1000")
    assert api(own.daemon, "POST", "/networks/back/connect", {"Container": "again"})[0] == 200
    pid = own("inspect", "-f", "{{.State.Pid}}", "again").stdout
    own("exec", "again", "kill", "-TERM", "1", check=False)
    own("kill", "-s", "KILL", "again")
    own("start", "again")
    assert own("inspect", "-f", "{{.State.Pid}}", "again").stdout != pid
    assert list(interfaces(own, "again")) == ["eth0", "eth1"]
    assert list(shown(own, "again")) == ["back", "front"]


def test_a_shared_network_shares_files_and_names(own: CommandLine, image: str) -> None:
    own("run", "-d", "--name", "owner", "-h", "box", "--network", "front", image, "sleep", "1000")
    own("run", "-d", "--name", "guest", "--network", "container:owner", image, "sleep", "1000")
    assert hosts(own, "guest") == hosts(own, "owner") != []
    assert api(own.daemon, "POST", "/networks/back/connect", {"Container": "owner"})[0] == 200
    assert hosts(own, "guest") == hosts(own, "owner")
    assert list(interfaces(own, "guest")) == ["eth0", "eth1"]
    assert answers(own, "guest", "owner")
    status, told = api(own.daemon, "POST", "/networks/back/connect", {"Container": "guest"})
    assert (status, b"container sharing network namespace with another container" in told) == (400, True)


@pytest.mark.census(f"{ENDPOINT}.IPAMConfig.LinkLocalIPs", f"{CONNECT}.IPAMConfig.LinkLocalIPs")
def test_link_local_addresses(own: CommandLine, image: str) -> None:
    wanted = {"IPAMConfig": {"LinkLocalIPs": ["169.254.7.7", "fe80::7:7"]}}
    own("run", "-d", "--name", "near", "--network", "back", image, "sleep", "1000")
    assert api(own.daemon, "POST", "/networks/front/connect", {"Container": "near", "EndpointConfig": wanted})[0] == 200
    text = own("exec", "near", "ip", "-o", "addr", "show", "eth1").stdout
    assert "169.254.7.7/16" in text
    assert "fe80::7:7/64" in text


@pytest.mark.census(f"{ENDPOINT}.Links", f"{CONNECT}.Links")
def test_links_on_networks_of_the_users_own(own: CommandLine, image: str) -> None:
    own("run", "-d", "--name", "target", "--network", "front", image, "sleep", "1000")
    networks: dict[str, object] = {"EndpointsConfig": {"front": {"Links": ["target:mine"]}}}
    c = created(own.daemon, image, ["sleep", "1000"], {"NetworkMode": "front"}, NetworkingConfig=networks)
    own("start", c)
    assert answers(own, c, "mine")
    assert not answers(own, "target", "mine")
    own("restart", "-t", "0", "target")
    assert answers(own, c, "mine")
    wanted = {"Container": "target", "EndpointConfig": {"Links": [f"{c[:12]}:yours"]}}
    for network in ("front", "back"):
        api(own.daemon, "POST", f"/networks/{network}/disconnect", {"Container": "target"})
    assert api(own.daemon, "POST", "/networks/front/connect", wanted)[0] == 200
    assert answers(own, "target", "yours")
    own("stop", "-t", "0", "target")
    assert not answers(own, c, "mine")
