from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from carrack.cli.container_config import create_document, environment_words, restart_policy
from carrack.cli.container_flags import CREATE_FLAGS
from carrack.cli.exit import Exit
from carrack.cli.flags import UsageError, parse
from carrack.errors import InvalidArgument, NotSupported

OUTPUT = {"AttachStdout": True, "AttachStderr": True, "Image": "i"}


def document(*words: str, env: dict[str, str] | None = None, detach: bool = False) -> dict[str, Any]:
    return create_document(parse(CREATE_FLAGS, [*words, "i"], interspersed=False), env or {}, detach=detach)


def host(*words: str) -> Any:
    return document(*words)["HostConfig"]


def test_only_what_was_typed_is_sent() -> None:
    assert document() == OUTPUT
    assert document(detach=True) == {"Image": "i"}
    parsed = parse(CREATE_FLAGS, ["i", "sh", "-c", "x"], interspersed=False)
    assert create_document(parsed, {}) == {**OUTPUT, "Cmd": ["sh", "-c", "x"]}


def test_streams() -> None:
    interactive = {**OUTPUT, "AttachStdin": True, "OpenStdin": True, "StdinOnce": True, "Tty": True}
    assert document("-it") == interactive
    assert document("-i", detach=True) == {"Image": "i", "OpenStdin": True, "StdinOnce": False}
    assert document("-a", "STDERR") == {"AttachStderr": True, "Image": "i"}
    with pytest.raises(UsageError, match="valid streams"):
        document("-a", "stdwhat")
    with pytest.raises(Exit, match="both --attach and --detach"):
        document("-a", "stdout", detach=True)


def test_plain_fields() -> None:
    words = "-h box --domainname d -u me -w /w --stop-signal INT --stop-timeout 3 --entrypoint".split()
    expected = {"Hostname": "box", "Domainname": "d", "User": "me", "WorkingDir": "/w", "StopSignal": "INT"}
    assert document(*words, "") == {**OUTPUT, **expected, "StopTimeout": 3, "Entrypoint": [""]}
    given = host(
        *"-m 64m --cpus 1.5 --pids-limit 5 --privileged --read-only --rm --init --cap-add A --cap-add B".split()
    )
    assert given["Memory"], given["NanoCpus"] == (64 << 20, 1_500_000_000)
    assert (given["PidsLimit"], given["Privileged"], given["AutoRemove"], given["Init"]) == (5, True, True, True)
    assert given["CapAdd"] == ["A", "B"]
    assert host("--init=false") == {"Init": False}


def test_maps_and_lists() -> None:
    words = "--sysctl net.b=1 --annotation k=v --log-driver json-file --log-opt x=y --tmpfs /t:size=1m"
    assert host(*words.split(), "--ulimit", "nofile=9") == {
        "Sysctls": {"net.b": "1"},
        "Annotations": {"k": "v"},
        "LogConfig": {"Type": "json-file", "Config": {"x": "y"}},
        "Tmpfs": {"/t": "size=1m"},
        "Ulimits": [{"Name": "nofile", "Soft": 9, "Hard": 9}],
    }
    assert host("--add-host", "a:1.2.3.4", "--add-host", "b=[::1]") == {"ExtraHosts": ["a:1.2.3.4", "b:::1"]}
    for wrong in (("--add-host", "a"), ("--sysctl", "kernel.panic=1"), ("--dns", "x"), ("-e", "=1"), ("-l", "=1")):
        with pytest.raises(UsageError, match=f'"{wrong[1]}" for "'):
            host(*wrong)


def test_environment_and_labels(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=file\nB\n")
    (tmp_path / "labels").write_text("x=y\n")
    words = ["--env-file", str(tmp_path / "env"), "-e", "A=flag", "--label-file", str(tmp_path / "labels"), "-l", "z"]
    found = document(*words, env={"B": "here"})
    assert found["Env"] == ["A=file", "B=here", "A=flag"]
    assert found["Labels"] == {"x": "y", "z": ""}
    with pytest.raises(InvalidArgument, match=r"open /nope/x: no such file or directory"):
        environment_words(parse(CREATE_FLAGS, ["--env-file", "/nope/x"]), {})


def test_volumes_and_ports() -> None:
    found = document("-v", "/data", "-v", "./x:/x:ro", "-v", "vol:/v", "-p", "8080:80", "--expose", "90/udp")
    assert found["Volumes"] == {"/data": {}}
    assert found["HostConfig"]["Binds"] == [f"{os.getcwd()}/x:/x:ro", "vol:/v"]
    assert found["ExposedPorts"] == {"80/tcp": {}, "90/udp": {}}
    assert found["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}


def test_limited_ports() -> None:
    found = document("-p", "8443:443,allow=10.0.0.0/8", "-p", "80")
    assert found["HostConfig"]["PortBindings"] == {
        "443/tcp": [{"HostIp": "", "HostPort": "8443", "Allow": ["10.0.0.0/8"]}],
        "80/tcp": [{"HostIp": "", "HostPort": ""}],
    }


def test_networks() -> None:
    assert document("--net", "host")["HostConfig"] == {"NetworkMode": "host"}
    found = document("--network", "name=front,alias=web,gw-priority=2", "--network", "back", "--ip", "10.0.0.4")
    assert found["HostConfig"] == {"NetworkMode": "front"}
    front = {"Aliases": ["web"], "IPAMConfig": {"IPv4Address": "10.0.0.4"}, "GwPriority": 2}
    assert found["NetworkingConfig"]["EndpointsConfig"] == {"front": front, "back": {}}
    assert document("--link", "db:x")["HostConfig"] == {"Links": ["db:x"]}
    found = document("--ip", "172.17.0.9")
    assert found["NetworkingConfig"]["EndpointsConfig"]["default"] == {"IPAMConfig": {"IPv4Address": "172.17.0.9"}}


def test_health() -> None:
    found = document("--health-cmd", "true", "--health-interval", "2s", "--health-retries", "3")
    assert found["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 2 * 10**9, "Retries": 3}
    assert document("--no-healthcheck")["Healthcheck"] == {"Test": ["NONE"]}
    with pytest.raises(InvalidArgument, match="conflicts"):
        document("--no-healthcheck", "--health-cmd", "x")


def test_devices() -> None:
    given = host("--device", "/dev/a", "--device", "/dev/b:/dev/c:r", "--device", "v.com/x=y", "--gpus", "all")
    assert given["Devices"] == [
        {"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "rwm"},
        {"PathOnHost": "/dev/b", "PathInContainer": "/dev/c", "CgroupPermissions": "r"},
    ]
    assert given["DeviceRequests"][0] == {"Driver": "cdi", "DeviceIDs": ["v.com/x=y"]}
    assert given["DeviceRequests"][1]["Count"] == -1
    assert host("--gpus", "device=3,driver=d")["DeviceRequests"][0]["DeviceIDs"] == ["3"]
    for words in (("--device", "/a:/b:/c:r"), ("--gpus", "few"), ("--gpus", "x=y")):
        with pytest.raises(InvalidArgument):
            host(*words)


def test_security(tmp_path: Path) -> None:
    profile = tmp_path / "p.json"
    profile.write_text(json.dumps({"defaultAction": "X"}, indent=2))
    given = host(
        "--security-opt", f"seccomp={profile}", "--security-opt", "no-new-privileges", "--security-opt", "apparmor=x"
    )
    assert given["SecurityOpt"] == ['seccomp={"defaultAction":"X"}', "no-new-privileges", "apparmor=x"]
    assert host("--security-opt", "systempaths=unconfined") == {"MaskedPaths": [], "ReadonlyPaths": []}
    assert host("--security-opt", "seccomp=unconfined") == {"SecurityOpt": ["seccomp=unconfined"]}
    with pytest.raises(InvalidArgument, match="Invalid --security-opt"):
        host("--security-opt", "what")


def test_restart() -> None:
    assert restart_policy("on-failure:3") == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert restart_policy("always") == {"Name": "always", "MaximumRetryCount": 0}
    for text in (":3", "on-failure:x"):
        with pytest.raises(InvalidArgument, match="invalid restart policy"):
            restart_policy(text)
    with pytest.raises(InvalidArgument, match="both --restart and --rm"):
        host("--rm", "--restart", "always")
    assert host("--rm", "--restart", "no")["AutoRemove"]


@pytest.mark.census("run --disable-content-trust", "create --disable-content-trust")
def test_what_is_not_built() -> None:
    with pytest.raises(NotSupported, match="--disable-content-trust=false"):
        host("--disable-content-trust=false")
    assert document("--disable-content-trust") == document()
