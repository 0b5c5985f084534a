"""The daemon's options about containers, checked and made into the value that the engine takes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from carrack.daemon import confinement, values
from carrack.engine import resources, storage_options
from carrack.engine.containers import logconfig
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.defaults import SHM_SIZE
from carrack.engine.privileges import Security
from carrack.errors import InvalidArgument, NotSupported
from carrack.linux import apparmor, seccomp_profile
from carrack.model.units import parse_bytes

MAX_PROFILE = 16 * 1024 * 1024

_DOMAIN = re.compile(r"\.|[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")


def container_defaults(settings: Mapping[str, Any]) -> ContainerDefaults:
    """The defaults of merged settings. Raises InvalidArgument naming the key."""
    return ContainerDefaults(
        shm_size=_shm_size(settings),
        ipc_mode=_ipc_mode(settings),
        cgroupns_mode=_cgroupns_mode(settings),
        ulimits=_ulimits(settings),
        init=settings.get("init", False),
        security=Security(*_seccomp(settings), settings.get("no-new-privileges", False), apparmor.usual()),
        selinux=confinement.labels(settings.get("selinux-enabled", False)),
        seccomp_source=settings.get("seccomp-profile") or "builtin",
        dns=tuple(_address("dns", word) for word in settings.get("dns", ())),
        dns_search=tuple(_domain(word) for word in settings.get("dns-search", ())),
        dns_options=tuple(settings.get("dns-opts", ())),
        bridge_names=settings.get("default-bridge-names", True),
        gateways=_gateways(settings.get("host-gateway-ips", ())),
        storage_size=storage_options.usual(settings.get("storage-opts", ())),
        log_driver=settings.get("log-driver") or logconfig.DEFAULT,
        log_options=_log_options(settings),
    )


def _shm_size(settings: Mapping[str, Any]) -> int:
    text = settings.get("default-shm-size", "")
    try:
        return parse_bytes(text) if text else SHM_SIZE
    except InvalidArgument as error:
        raise InvalidArgument(f"default-shm-size: {error}") from None


def _ipc_mode(settings: Mapping[str, Any]) -> str:
    mode: str = settings.get("default-ipc-mode") or "private"
    if mode in ("none", "host") or mode.startswith("container:"):
        raise InvalidArgument(f'IPC mode "{mode}" is not supported as default value; use "shareable" or "private"')
    if mode not in ("private", "shareable"):
        raise InvalidArgument(f'default IPC mode setting ({mode}) is invalid; use "shareable" or "private"')
    return mode


def _cgroupns_mode(settings: Mapping[str, Any]) -> str:
    mode: str = settings.get("default-cgroupns-mode", "")
    if mode not in ("", "host", "private"):
        raise InvalidArgument(f'invalid default cgroup namespace ({mode}): use "host" or "private"')
    return mode


def _ulimits(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, limit in settings.get("default-ulimits", {}).items():
        found[name] = {"Name": limit.get("Name") or name, "Soft": limit.get("Soft", 0), "Hard": limit.get("Hard", 0)}
    try:
        resources.rlimits({"Ulimits": list(found.values())})
    except InvalidArgument as error:
        raise InvalidArgument(f"default-ulimits: {error}") from None
    return found


def _seccomp(settings: Mapping[str, Any]) -> tuple[bool, str | None]:
    word = settings.get("seccomp-profile", "")
    if word in ("", "builtin"):
        return True, None
    if word == "unconfined":
        return False, None
    try:
        with open(values.path(settings, "seccomp-profile", ""), encoding="utf-8") as file:
            text = file.read(MAX_PROFILE + 1)
        if len(text) > MAX_PROFILE:
            raise InvalidArgument(f"larger than {MAX_PROFILE} bytes")
        seccomp_profile.parse(text)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"seccomp-profile: {word} cannot be read: {error}") from None
    except InvalidArgument as error:
        raise InvalidArgument(f"seccomp-profile: {word}: {error}") from None
    return True, text


def _log_options(settings: Mapping[str, Any]) -> dict[str, str]:
    options = dict(settings.get("log-opts", {}))
    try:
        logconfig.check(settings.get("log-driver") or logconfig.DEFAULT, options)
    except (InvalidArgument, NotSupported) as error:
        raise InvalidArgument(f"failed to set log opts: {error}") from None
    return options


def _address(key: str, word: str) -> str:
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        raise InvalidArgument(f"{key}: invalid IP address: {word}") from None


def _domain(word: str) -> str:
    if not _DOMAIN.fullmatch(word):
        raise InvalidArgument(f"dns-search: {word} is not a valid domain")
    return word


def _gateways(words: list[str]) -> tuple[str, ...]:
    found = [_address("host-gateway-ips", word) for word in words]
    for version in (4, 6):
        if sum(ipaddress.ip_address(word).version == version for word in found) > 1:
            raise InvalidArgument(f"only one IPv{version} host gateway IP address can be specified")
    return tuple(found)
