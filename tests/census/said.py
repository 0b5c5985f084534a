"""What each flag of ``create`` and ``run`` says to the API: the fields that change in the request that it makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carrack.cli.container_config import create_document
from carrack.cli.container_flags import CREATE_FLAGS
from carrack.cli.flags import parse

TEST = "tests/test_compatibility.py::test_create_and_run_say_the_same"

_BY_KIND = {
    "bool": "true", "string": "x", "int": "1", "uint16": "10", "bytes": "64m", "duration": "1s", "decimal": "0.5",
    "list": "x", "strings": "x", "map": "k=v", "stream": "stdout", "weight": "/dev/null:10", "throttle": "/dev/null:10",
    "device-rule": "c 1:3 rwm", "address": "10.0.0.1", "variable": "A=b", "label": "a=b", "extra-host": "a:10.0.0.1",
    "mount": "type=volume,target=/x", "swap": "64m", "sysctl": "net.ipv4.ip_forward=1", "ulimit": "nofile=1:2",
}  # fmt: skip
_BY_NAME = {
    "device": "/dev/null", "gpus": "all", "publish": "80:80", "expose": "80", "tmpfs": "/x", "volume": "a:/x",
    "volumes-from": "x", "ip": "10.0.0.1", "ip6": "fd00::1", "log-opt": "max-size=1m", "restart": "always",
    "link": "a:b", "link-local-ip": "169.254.1.1", "mac-address": "02:42:00:00:00:01", "health-retries": "2",
    "cgroupns": "host", "ipc": "host", "pid": "host", "uts": "host", "userns": "host",
    "security-opt": "no-new-privileges", "network": "x", "net": "x", "pull": "never",
}  # fmt: skip
#: flags that read files of the client, or need another or a running program beside them, and what they say
_TOLD = {
    "attach": ["Config.AttachStderr", "Config.AttachStdin", "Config.AttachStdout"],
    "env-file": ["Config.Env"],
    "label-file": ["Config.Labels"],
    "use-api-socket": ["HostConfig.Mounts"],
    "network-alias": [],
    "net-alias": [],
    "ip": [],
    "ip6": [],
    "link-local-ip": [],
}


#: those flags, which a request without more cannot show
NOT_ALONE = tuple(_TOLD)


def _document(words: list[str]) -> dict[str, Any]:
    return create_document(parse(CREATE_FLAGS, [*words, "image"], interspersed=False), {})


def _paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.{key}".strip(".")
            yield from _paths(item, f"{path}.{key}".strip("."))
    if isinstance(value, list):
        for item in value:
            yield from _paths(item, f"{path}[]")


def sample(name: str, kind: str) -> str:
    """A flag with a value of its kind."""
    return f"--{name}={_BY_NAME.get(name) or _BY_KIND[kind]}"


def fields(name: str, kind: str) -> list[str]:
    """The fields that one flag sets, by the names of rows."""
    if name in _TOLD:
        return _TOLD[name]
    before, after = _document([]), _document([sample(name, kind)])
    changed = {key: value for key, value in after.items() if before.get(key) != value and key != "HostConfig"}
    host = {key: value for key, value in after.get("HostConfig", {}).items() if key not in before.get("HostConfig", {})}
    named = {f"Config.{path}" for path in _paths(changed)} | {f"HostConfig.{path}" for path in _paths(host)}
    return sorted(path.replace(".80/tcp", "{}") for path in named)


FIELDS = {name: fields(name, kind) for name, _, kind, _ in CREATE_FLAGS}
