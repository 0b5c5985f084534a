"""``RUN --mount=…``: its options by type. Source: Dockerfile reference, "RUN --mount"."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace

from carrack.errors import InvalidArgument
from carrack.model import units

_NAMES = {"dst": "target", "destination": "target", "src": "source", "ro": "readonly", "rw": "readwrite"}
_OPTIONS = {
    "bind": {"target", "source", "from", "readonly", "readwrite", "id"},
    "cache": {"target", "source", "from", "readonly", "readwrite", "id", "sharing", "mode", "uid", "gid"},
    "tmpfs": {"target", "size", "id", "readonly", "readwrite"},
    "secret": {"target", "id", "source", "env", "required", "mode", "uid", "gid", "readonly", "readwrite"},
    "ssh": {"target", "id", "required", "mode", "uid", "gid", "readonly", "readwrite"},
}
# Taken and of no meaning, as with Docker.
_IDLE = {
    "bind": {"id"},
    "tmpfs": {"id", "readonly", "readwrite"},
    "secret": {"readonly", "readwrite"},
    "ssh": {"readonly", "readwrite"},
}
_BOOLEANS = {"readonly", "readwrite", "required"}
_TRUE = {"": True, "true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
SHARING = ("shared", "private", "locked")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of a RUN. ``mode``, ``uid``, ``gid`` are None where the type's default holds; ``size`` in bytes, 0 for
    no limit; ``env``: the variable that a secret becomes. Names, targets and sources may hold variables."""

    type: str = "bind"
    target: str = ""
    source: str = ""
    origin: str = ""
    id: str = ""
    readonly: bool = False
    sharing: str = "shared"
    required: bool = False
    env: str = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int = 0


def parse(text: str) -> Mount:
    """Read the value of one ``--mount``. Raises InvalidArgument saying which option is wrong and which there are."""
    try:
        fields = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise InvalidArgument(f"invalid mount {text!r}: {error}") from None
    given = [_field(field) for field in fields if field.strip()]
    kinds = [value or "" for key, value in given if key == "type"]
    kind = kinds[-1].lower() if kinds else "bind"
    if kind not in _OPTIONS:
        raise InvalidArgument(f"unsupported mount type {kind!r}: {', '.join(_OPTIONS)} are")
    mount = Mount(kind, readonly=kind == "bind")
    for key, value in given:
        if key == "type":
            continue
        if key not in _OPTIONS[kind]:
            raise InvalidArgument(
                f"unexpected key {key!r} for mount type {kind!r}: {', '.join(sorted(_OPTIONS[kind]))} are"
            )
        changed = _with(mount, "id" if (kind, key) == ("secret", "source") else key, value)
        mount = mount if key in _IDLE.get(kind, ()) else changed
    return _checked(mount)


def _field(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    key = key.strip().lower()
    return _NAMES.get(key, key), value if equals else None


def _with(mount: Mount, key: str, value: str | None) -> Mount:
    if key in _BOOLEANS:
        truth = _TRUE.get((value or "").lower())
        if truth is None:
            raise InvalidArgument(f"invalid value {value!r} for {key}: true or false")
        if key == "required":
            return replace(mount, required=truth)
        return replace(mount, readonly=truth == (key == "readonly"))
    if not value:
        raise InvalidArgument(f"invalid mount option {key!r}: it needs a value")
    if key == "sharing" and value.lower() not in SHARING:
        raise InvalidArgument(f"unsupported sharing value {value!r}: {', '.join(SHARING)} are")
    return _SETTERS[key](mount, value)


def _number(key: str, value: str, base: int) -> int:
    try:
        number = int(value, base)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32:
        raise InvalidArgument(f"invalid value {value!r} for {key}")
    return number


_SETTERS: dict[str, Callable[[Mount, str], Mount]] = {
    "target": lambda mount, value: replace(mount, target=value),
    "source": lambda mount, value: replace(mount, source=value),
    "from": lambda mount, value: replace(mount, origin=value),
    "id": lambda mount, value: replace(mount, id=value),
    "env": lambda mount, value: replace(mount, env=value),
    "sharing": lambda mount, value: replace(mount, sharing=value.lower()),
    "size": lambda mount, value: replace(mount, size=units.parse_bytes(value)),
    "uid": lambda mount, value: replace(mount, uid=_number("uid", value, 10)),
    "gid": lambda mount, value: replace(mount, gid=_number("gid", value, 10)),
    "mode": lambda mount, value: replace(mount, mode=_number("mode", value, 8) & 0o7777),
}


def _checked(mount: Mount) -> Mount:
    if mount.type in ("bind", "cache", "tmpfs") and not mount.target:
        raise InvalidArgument(f"a mount of type {mount.type} needs a target")
    if mount.type == "secret" and not (mount.id or mount.target or mount.env):
        raise InvalidArgument("a mount of type secret needs an id, a target or an env")
    return mount
