"""Single values of the configuration: their kinds in daemon.json, and what each may be.

Every function raises InvalidArgument with the key that is wrong.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from carrack.api import versions
from carrack.errors import InvalidArgument
from carrack.model import cgroup_parent as cgroup_parents

BRIDGE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")
TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
_API_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")
_CGROUP = re.compile(r"/?[A-Za-z0-9_.:@-]+(/[A-Za-z0-9_.:@-]+)*/?")


def _is_pool(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"base", "size"}:
        return False
    return isinstance(value["base"], str) and type(value["size"]) is int


def _is_list_of(value: Any, good: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(good(item) for item in value)


def _is_map_of(value: Any, good: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(good(item) for item in value.values())


def _is_ulimit(value: Any) -> bool:
    kinds = {"Name": str, "Soft": int, "Hard": int}
    return isinstance(value, dict) and all(type(item) is kinds.get(name) for name, item in value.items())


def _is_rule(value: Any) -> bool:
    return isinstance(value, str) or type(value) is int or _is_list_of(value, lambda item: isinstance(item, str))


KINDS: dict[str, Callable[[Any], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: type(value) is int,
    "string": lambda value: isinstance(value, str),
    "list": lambda value: _is_list_of(value, lambda item: isinstance(item, str)),
    "pools": lambda value: _is_list_of(value, _is_pool),
    "bytes": lambda value: isinstance(value, str),
    "ulimits": lambda value: _is_map_of(value, _is_ulimit),
    "map": lambda value: _is_map_of(value, lambda item: isinstance(item, str)),
    "network options": lambda value: _is_map_of(value, KINDS["map"]),
    "runtimes": lambda value: isinstance(value, dict),
    "rules": lambda value: _is_map_of(value, _is_rule),
    "bool map": lambda value: _is_map_of(value, lambda item: isinstance(item, bool)),
}


def path(settings: Mapping[str, Any], key: str, default: str) -> Path:
    """An absolute path."""
    value = settings.get(key, default)
    if not value.startswith("/") or "\0" in value:
        raise InvalidArgument(f"{key}: {value!r} is not an absolute path")
    return Path(value)


def directories(settings: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Absolute paths."""
    return tuple(str(path({key: value}, key, "")) for value in settings.get(key) or default)


def matching(settings: Mapping[str, Any], key: str, default: str, pattern: re.Pattern[str]) -> str:
    """A name of that pattern, which is no path to elsewhere."""
    value: str = settings.get(key) or default
    if not pattern.fullmatch(value) or value in (".", ".."):
        raise InvalidArgument(f"{key}: {value!r} is not a valid name")
    return value


def within(
    settings: Mapping[str, Any], key: str, default: int, lowest: int, highest: int, *, zero: bool = False
) -> int:
    """`zero` makes 0 mean the default, as dockerd has it for the MTU."""
    value: int = settings.get(key, default)
    if zero and value == 0:
        return default
    if not lowest <= value <= highest:
        raise InvalidArgument(f"{key}: {value} is not between {lowest} and {highest}")
    return value


def one_of(settings: Mapping[str, Any], key: str, default: str, words: Sequence[str]) -> str:
    """One of the words."""
    value: str = settings.get(key) or default
    if value not in words:
        raise InvalidArgument(f"{key}: {value!r} is none of {', '.join(words)}")
    return value


def api_version(settings: Mapping[str, Any], key: str) -> versions.Version:
    """A version that this daemon speaks; the oldest of them when nothing is said."""
    word: str = settings.get(key) or versions.text(versions.MINIMUM)
    found = _API_VERSION.fullmatch(word)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if not versions.MINIMUM <= version <= versions.CURRENT:
        oldest, newest = versions.text(versions.MINIMUM), versions.text(versions.CURRENT)
        raise InvalidArgument(f"{key}: {word!r} is no API version from {oldest} to {newest}")
    return version


def bridge_address(value: str) -> str:
    """An IPv4 address that a host can have, with its prefix length; or nothing."""
    if not value:
        return ""
    try:
        interface = ipaddress.IPv4Interface(value)
    except ValueError:
        raise InvalidArgument(f"bip: {value!r} is no IPv4 address with a prefix length") from None
    network = interface.network
    edges = (network.network_address, network.broadcast_address) if network.num_addresses != 2 else ()  # RFC 3021
    if "/" not in value or interface.ip in edges:
        raise InvalidArgument(f"bip: {value!r} is not an address that a host in its network can have")
    return interface.with_prefixlen


def pools(values: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, int], ...]:
    """Address pools as (base, size) pairs."""
    found: list[tuple[Any, int]] = []
    for value in values:
        try:
            base = ipaddress.ip_network(value["base"])
        except ValueError as error:
            raise InvalidArgument(f"default-address-pools: {error}") from None
        if not base.prefixlen <= value["size"] <= base.max_prefixlen - 2:
            raise InvalidArgument(f"default-address-pools: size {value['size']} does not fit base {base}")
        for other, _ in found:
            if other.version == base.version and other.overlaps(base):
                raise InvalidArgument(f"default-address-pools: {base} overlaps {other}")
        found.append((base, int(value["size"])))
    return tuple((str(base), size) for base, size in found)


def cgroup_parent(settings: Mapping[str, Any]) -> str:
    """The cgroup below which containers get theirs."""
    value: str = settings.get("cgroup-parent") or "/carrack"
    if not _CGROUP.fullmatch(value) or {".", ".."} & set(value.split("/")) or value == "-.slice":
        raise InvalidArgument(f"cgroup-parent: {value!r} is not a cgroup path such as /carrack, or a slice's name")
    try:
        return cgroup_parents.path(value)
    except InvalidArgument as error:
        raise InvalidArgument(f"cgroup-parent: {error}") from None


def exec_options(words: Sequence[str]) -> None:
    """Which driver makes the cgroups: this engine does so itself."""
    for word in words:
        key, _, value = word.partition("=")
        if key.lower() != "native.cgroupdriver":
            raise InvalidArgument(f"exec-opts: {word}: only native.cgroupdriver is an option of this engine")
        if value == "systemd":
            told = "this engine makes cgroups itself and does not ask systemd for scopes"
            raise InvalidArgument(f"exec-opts: {word}: {told}: leave it out; --cgroup-parent takes slices' names")
        if value != "cgroupfs":
            raise InvalidArgument(f"native.cgroupdriver option {value} not supported")


def realtime(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Microseconds of real time for all containers: in each period, and the time of these (0: what there is)."""
    period = within(settings, "cpu-rt-period", 0, 0, 2**31 - 1)
    runtime = within(settings, "cpu-rt-runtime", 0, 0, 2**31 - 1)
    if period and runtime > period:
        raise InvalidArgument("cpu-rt-runtime: cpu real-time runtime cannot be higher than cpu real-time period")
    return period, runtime


def labels(values: Sequence[str]) -> tuple[str, ...]:
    """KEY=VALUE pairs, each key with one value."""
    seen: dict[str, str] = {}
    for label in values:
        key, equals, value = label.partition("=")
        if not equals or not key:
            raise InvalidArgument(f"labels: bad attribute format: {label}")
        if seen.setdefault(key, value) != value:
            raise InvalidArgument(f"labels: conflict labels for {key}={value} and {key}={seen[key]}")
    return tuple(dict.fromkeys(values))


def rules(settings: Mapping[str, Any], key: str) -> dict[str, str]:
    """Rules as words: a number is one as well as its digits, a list is its words with commas."""
    return {
        name: ",".join(value) if isinstance(value, list) else str(value)
        for name, value in settings.get(key, {}).items()
    }
