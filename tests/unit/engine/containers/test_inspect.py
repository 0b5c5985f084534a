"""`inspect`: the fields and their order as dockerd 28.5 shows them."""

from __future__ import annotations

import pytest
from tests.fakes.containers import container, point
from tests.unit.model import test_container as tables

from carrack.engine.containers import inspect
from carrack.engine.containers.paths import Paths

PATHS = Paths("/data", "/run/x")
GRAPH = {"Data": {}, "Name": "fake"}

TOP = """Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver
    Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts Config
    NetworkSettings""".split()
STATE = "Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt FinishedAt".split()
NETWORK = """Bridge SandboxID SandboxKey Ports HairpinMode LinkLocalIPv6Address LinkLocalIPv6PrefixLen
    SecondaryIPAddresses SecondaryIPv6Addresses EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAddress
    IPPrefixLen IPv6Gateway MacAddress Networks""".split()
ENDPOINT = """IPAMConfig Links Aliases MacAddress DriverOpts GwPriority NetworkID EndpointID Gateway IPAddress
    IPPrefixLen IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen DNSNames""".split()


def test_the_fields_are_dockers() -> None:
    document = inspect.inspect(container(), PATHS, GRAPH)
    assert list(document) == TOP
    assert list(document["State"]) == STATE
    assert list(document["Config"]) == tables.CONFIG_WITHOUT_PORTS
    assert list(document["HostConfig"]) == tables.HOST_CONFIG
    assert list(document["NetworkSettings"]) == NETWORK
    assert set(document["NetworkSettings"]["Networks"]["bridge"]) == set(ENDPOINT)
    assert document["State"]["StartedAt"] == document["State"]["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert document["Name"] == "/name1"


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        ("created", ()), ("running", ("Running",)), ("paused", ("Running", "Paused")),
        ("restarting", ("Running", "Restarting")), ("exited", ()), ("dead", ("Dead",)),
    ],
)  # fmt: skip
def test_states(status: str, flags: tuple[str, ...]) -> None:
    state = inspect.state(container(1, status=status, pid=7))
    assert {name for name in ("Running", "Paused", "Restarting", "Dead") if state[name]} == set(flags)
    assert state["Pid"] == (7 if status in ("running", "paused") else 0)


def test_empty_fields_are_left_out_as_docker_does_and_false_stays() -> None:
    body = {
        "StopSignal": "SIGINT", "StopTimeout": 3, "MacAddress": "02:00:00:00:00:01",
        "HostConfig": {"Init": False, "Annotations": {"a": "b"}, "Tmpfs": {"/t": ""}, "Sysctls": {"a": "b"},
                       "Mounts": [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": 4096}}]},
    }  # fmt: skip
    document = inspect.inspect(container(1, body), PATHS, GRAPH)
    assert document["Config"]["StopTimeout"] == 3
    assert document["HostConfig"]["Init"] is False
    assert document["HostConfig"]["Mounts"] == [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": 4096}}]
    assert document["HostConfig"]["Tmpfs"] == {"/t": ""}


def test_a_stop_timeout_of_zero_is_shown() -> None:
    assert inspect.config(container(1, {"StopTimeout": 0}))["StopTimeout"] == 0


def test_mounts_by_destination_without_our_own_words() -> None:
    c = container(1, mounts=[point("/z"), point("/a", Type="bind", Mode="nonrecursive"), point("/b", Mode="ro,z")])
    found = inspect.mounts(c)
    assert [p["Destination"] for p in found] == ["/a", "/b", "/z"]
    assert [p["Mode"] for p in found] == ["", "ro,z", ""]


def test_a_container_without_a_log_has_no_log_path() -> None:
    c = container(1, {"HostConfig": {"LogConfig": {"Type": "none"}}})
    assert inspect.inspect(c, PATHS, GRAPH)["LogPath"] == ""
    assert inspect.inspect(container(), PATHS, GRAPH)["LogPath"] == ""
    started = container(status="exited", started_at=5)
    assert inspect.inspect(started, PATHS, GRAPH)["LogPath"] == PATHS.log(started.id)
    assert inspect.inspect(started, PATHS, GRAPH)["HostsPath"] == PATHS.file(started.id, "hosts")


def test_the_old_network_fields_repeat_the_bridges() -> None:
    endpoint = {"IPAddress": "172.17.0.2", "IPPrefixLen": 16, "Gateway": "172.17.0.1", "MacAddress": "m"}
    ports = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "1"}]}
    c = container(1, status="running", pid=7, endpoints={"bridge": endpoint}, ports=ports)
    shown = inspect.network_settings(c)
    assert (shown["IPAddress"], shown["IPPrefixLen"], shown["Ports"]) == ("172.17.0.2", 16, ports)
    c.state.status = "exited"
    assert inspect.network_settings(c)["Ports"] == {}
    assert inspect.network_settings(c)["SandboxKey"] == ""


def test_the_sandbox_is_its_own_and_not_another_containers() -> None:
    keys = {}
    for mode in ("bridge", "host", "none", "container:web"):
        c = container(1, {"HostConfig": {"NetworkMode": mode}}, status="running", pid=7)
        shown = inspect.network_settings(c)
        keys[mode] = shown["SandboxKey"]
        assert bool(shown["SandboxID"]) == bool(shown["SandboxKey"])
    assert keys == {**dict.fromkeys(("bridge", "host", "none"), "/proc/7/ns/net"), "container:web": ""}
