"""What a container is made of: precedence as Docker's, and its refusals (texts of dockerd 28.5)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.containers import documents

from carrack.engine import defaults
from carrack.engine.containers import merge
from carrack.errors import CarrackError, InvalidArgument, NotSupported


@pytest.mark.parametrize(
    ("own", "image", "expected"),
    [
        ({}, {"Cmd": ["sh"]}, ["sh"]),
        ({}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ["e", "c"]),
        ({"Cmd": ["x"]}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ["e", "x"]),
        ({"Entrypoint": ["x"]}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ["x"]),
        ({"Entrypoint": [""], "Cmd": ["x"]}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ["x"]),
        ({"Entrypoint": []}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ["c"]),
        ({"Cmd": []}, {"Entrypoint": ["e"], "Cmd": ["c"]}, ["e", "c"]),
        ({"Cmd": "one word"}, {}, ["one word"]),
    ],
)
def test_commands(own: dict[str, Any], image: dict[str, Any], expected: list[str]) -> None:
    config, _, _ = documents(own, image)
    assert merge.command(config) == (expected[0], expected[1:])


@pytest.mark.parametrize("own", [{}, {"Entrypoint": [""]}])
def test_nothing_to_run(own: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"^no command specified$"):
        documents(own, {"Cmd": ["c"]} if own else {"User": "x"})


def test_environment_ports_volumes_and_labels_are_merged() -> None:
    image = {
        "Cmd": ["c"], "Env": ["A=image", "B=image"], "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}},
        "Labels": {"a": "image", "b": "image"}, "User": "u", "WorkingDir": "/w", "StopSignal": "SIGINT",
    }  # fmt: skip
    own = {"Env": ["A=own"], "ExposedPorts": {"81": {}}, "Volumes": {"/x": {}}, "Labels": {"a": "own"}, "User": "me"}
    config, _, _ = documents(own, image)
    assert config["Env"] == ["A=own", "B=image"]
    assert set(config["ExposedPorts"]) == {"80/tcp", "81/tcp"}
    assert set(config["Volumes"]) == {"/v", "/x"}
    assert config["Labels"] == {"a": "own", "b": "image"}
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("me", "/w", "SIGINT")


def test_a_health_check_is_completed_by_the_images() -> None:
    image = {"Cmd": ["c"], "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5 * 10**9, "Retries": 4}}
    config, _, _ = documents({"Healthcheck": {"Test": ["NONE"]}}, image)
    assert config["Healthcheck"]["Test"] == ["NONE"]
    config, _, _ = documents({"Healthcheck": {"Interval": 10**9}}, image)
    assert config["Healthcheck"] == {"Test": ["CMD", "x"], "Interval": 10**9, "Retries": 4}
    config, _, _ = documents({}, image)
    assert config["Healthcheck"] == image["Healthcheck"]
    with pytest.raises(InvalidArgument, match="Interval in Healthcheck cannot be less than 1ms"):
        documents({"Healthcheck": {"Test": ["CMD", "x"], "Interval": 500}}, image)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"Env": ["=x"]}, "invalid environment variable: =x"),
        ({"Env": [""]}, "invalid environment variable: "),
        ({"WorkingDir": "rel"}, "the working directory 'rel' is invalid, it needs to be an absolute path"),
        ({"StopSignal": "FOO"}, "invalid signal: FOO"),
        ({"ExposedPorts": {"foo": {}}}, 'invalid port specification: "foo"'),
        ({"HostConfig": {"PortBindings": {"foo": []}}}, 'invalid port specification: "foo"'),
        ({"HostConfig": {"PortBindings": {"80-82/tcp": []}}}, 'invalid port specification: "80-82/tcp"'),
        ({"HostConfig": {"PortBindings": {"80": [{"HostPort": "99999"}]}}}, 'invalid port specification: "99999"'),
        ({"HostConfig": {"PortBindings": {"80": [{"HostPort": "x"}]}}}, 'invalid port specification: "x"'),
        (
            {"HostConfig": {"PortBindings": {"80": [{"Allow": ["me"]}]}}},
            'invalid network "me" in allow=: write an address or a CIDR, like 10.0.0.0/8 or fd00::/8',
        ),
        ({"HostConfig": {"IpcMode": "foo"}}, "invalid IPC mode: foo"),
        ({"HostConfig": {"PidMode": "foo"}}, "invalid PID mode: foo"),
        ({"HostConfig": {"UTSMode": "foo"}}, "invalid UTS mode: foo"),
        ({"HostConfig": {"CgroupnsMode": "foo"}}, "invalid cgroup namespace mode: foo"),
        ({"HostConfig": {"Isolation": "hyperv"}}, "invalid isolation (hyperv): linux only supports 'default'"),
        (
            {"HostConfig": {"RestartPolicy": {"Name": "foo"}}},
            "invalid restart policy: unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or "
            "'unless-stopped'",
        ),
        (
            {"HostConfig": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}},
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ),
        (
            {"HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -3}}},
            "invalid restart policy: maximum retry count cannot be negative",
        ),
        (
            {"HostConfig": {"RestartPolicy": {"Name": "always"}, "AutoRemove": True}},
            "can't create 'AutoRemove' container with restart policy",
        ),
        (
            {"HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"foo": "1"}}}},
            "unknown log opt 'foo' for json-file log driver",
        ),
        ({"HostConfig": {"ConsoleSize": [1, 65536]}}, "HostConfig.ConsoleSize must be [height, width]"),
    ],
)
def test_refusals(body: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        documents(body)
    assert str(failure.value) == text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"HostConfig": {"LogConfig": {"Type": "mine"}}}, InvalidArgument),
        ({"HostConfig": {"LogConfig": {"Type": "awslogs"}}}, NotSupported),
    ],
)
def test_what_there_is_not(body: dict[str, Any], kind: type[CarrackError]) -> None:
    with pytest.raises(kind):
        documents(body)


def test_the_defaults_of_a_host_config() -> None:
    _, host, _ = documents({"HostConfig": {"NetworkMode": "default", "Memory": 64 << 20, "PidsLimit": -5}})
    assert host["NetworkMode"] == "bridge"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {}}
    assert host["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert host["MemorySwap"] == 128 << 20
    assert host["PidsLimit"] is None
    assert host["CgroupnsMode"] == "host"
    assert host["ShmSize"] == 64 << 20
    assert host["MaskedPaths"] == list(defaults.MASKED_PATHS)
    _, privileged, _ = documents({"HostConfig": {"Privileged": True}})
    assert privileged["MaskedPaths"] is privileged["ReadonlyPaths"] is None
    _, bare, _ = documents({"HostConfig": {"MaskedPaths": [], "ReadonlyPaths": []}})
    assert bare["MaskedPaths"] == bare["ReadonlyPaths"] == []


def test_dockers_default_endpoint_is_the_networks() -> None:
    mac = "02:00:00:00:00:01"
    body = {"NetworkingConfig": {"EndpointsConfig": {"default": {"MacAddress": mac}}}}
    assert documents(body)[2]["EndpointsConfig"]["bridge"]["MacAddress"] == mac


def test_ports_are_written_one_way() -> None:
    limited = {"HostPort": "1", "Allow": ["10.1.2.3", "10.0.0.0/8"]}
    body = {"HostConfig": {"PortBindings": {"80": [{"HostPort": "1"}], "80/TCP": None, "53/udp": [], "1": [limited]}}}
    _, host, _ = documents(body)
    free = {"HostIp": "", "HostPort": ""}
    allow = {"HostIp": "", "HostPort": "1", "Allow": ["10.1.2.3/32", "10.0.0.0/8"]}
    assert host["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "1"}, free],
        "53/udp": [free],
        "1/tcp": [allow],
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"Hostname": "x"}, "hostname and the network mode"),
        ({"HostConfig": {"Dns": ["1.1.1.1"]}}, "dns and the network mode"),
        ({"HostConfig": {"ExtraHosts": ["a:1.1.1.1"]}}, "custom host-to-IP mapping and the network mode"),
        ({"HostConfig": {"PortBindings": {"80": []}}}, "port publishing and the container type network mode"),
        ({"HostConfig": {"PublishAllPorts": True}}, "port publishing and the container type network mode"),
        ({"ExposedPorts": {"80/tcp": {}}}, "port exposing and the container type network mode"),
    ],
)
def test_who_shares_a_network_has_none_of_its_own(body: dict[str, Any], text: str) -> None:
    config, host, _ = documents({**body, "HostConfig": {**body.get("HostConfig", {}), "NetworkMode": "container:x"}})
    with pytest.raises(InvalidArgument) as failure:
        merge.check_together(config, host)
    assert str(failure.value) == "conflicting options: " + text
    config, host, _ = documents(body)
    merge.check_together(config, host)


def test_the_hosts_names_exclude_an_own_one() -> None:
    config, host, _ = documents({"Hostname": "x", "HostConfig": {"UTSMode": "host"}})
    with pytest.raises(InvalidArgument, match=r"^conflicting options: hostname and the UTS mode$"):
        merge.check_together(config, host)
