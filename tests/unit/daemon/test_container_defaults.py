"""The daemon's options about containers: their words and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carrack.daemon.config import load
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.errors import InvalidArgument


def defaults(tmp_path: Path, *arguments: str, file: Any = None) -> ContainerDefaults:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps(file or {}))
    return load(["--config-file", str(path), *arguments], {}).config.containers


def test_flags_and_file_say_the_same(tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    flags = defaults(
        tmp_path,
        *("--default-ulimit", "nofile=64:128", "--default-ulimit=core=0", "--default-shm-size", "1g", "--init"),
        *("--default-ipc-mode=shareable", "--default-cgroupns-mode=private", "--no-new-privileges"),
        *("--dns", "192.0.2.1", "--dns-search", "example.org", "--dns-opt", "ndots:3", "--host-gateway-ip", "10.0.0.9"),
        *("--seccomp-profile", str(profile)),
    )
    file = {
        "default-ulimits": {
            "nofile": {"Name": "nofile", "Soft": 64, "Hard": 128},
            "core": {"Name": "core", "Soft": 0, "Hard": 0},
        },
        "default-shm-size": "1g",
        "default-ipc-mode": "shareable",
        "default-cgroupns-mode": "private",
        "no-new-privileges": True,
        "dns": ["192.0.2.1"],
        "dns-search": ["example.org"],
        "dns-opts": ["ndots:3"],
        "host-gateway-ip": "10.0.0.9",
        "seccomp-profile": str(profile),
        "init": True,
    }
    assert flags == defaults(tmp_path, file=file)
    assert (flags.shm_size, flags.security.profile) == (1 << 30, profile.read_text())


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ({"default-shm-size": 1024}, "default-shm-size: 1024 is not a bytes"),
        ({"default-shm-size": "many"}, "default-shm-size: invalid size"),
        ({"default-ipc-mode": "none"}, 'IPC mode "none" is not supported as default value'),
        ({"default-ipc-mode": "open"}, "default IPC mode setting (open) is invalid"),
        ({"default-cgroupns-mode": "open"}, "invalid default cgroup namespace (open)"),
        ({"default-ulimits": {"nofile": {"Soft": 2, "Hard": 1}}}, "default-ulimits: ulimit soft limit"),
        ({"default-ulimits": {"moons": {"Soft": 1, "Hard": 1}}}, "default-ulimits: invalid ulimit type: moons"),
        ({"default-ulimits": {"core": {"Soft": "1"}}}, "is not a ulimits"),
        ({"default-ulimits": []}, "is not a ulimits"),
        ({"dns": ["one"]}, "dns: invalid IP address: one"),
        ({"dns-search": ["a b"]}, "dns-search: a b is not a valid domain"),
        ({"host-gateway-ips": ["10.0.0.1", "10.0.0.2"]}, "only one IPv4 host gateway"),
        ({"seccomp-profile": "/nosuch"}, "seccomp-profile: /nosuch cannot be read"),
        ({"seccomp-profile": "/etc/hostname"}, "seccomp-profile: /etc/hostname: "),
        ({"features": {"teleport": True}}, "features: teleport is none of"),
        ({"features": {"containerd-snapshotter": True}}, "not supported"),
        ({"features": {"cdi": "yes"}}, "is not a bool map"),
    ],
)
def test_refused(tmp_path: Path, file: Any, words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        defaults(tmp_path, file=file)
    assert words in str(refused.value)
