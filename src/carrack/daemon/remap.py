"""``userns-remap``: from a user's name to the subordinate ids that containers get.

``default`` is the user dockremap, as with Docker, and is made where there is none; else ``user``, ``user:group`` or
their numbers. The ranges are those that /etc/subuid and /etc/subgid give to that user, by name or by number, put one
after the other. Sources: subuid(5), useradd(8), usermod(8), dockerd(8) "Daemon user namespace options".
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from carrack.engine.userns import Remap
from carrack.errors import InvalidArgument
from carrack.model.idmap import LIMIT
from carrack.oci.runtime_spec import IdMapping

log = logging.getLogger(__name__)

DEFAULT_USER = "dockremap"
_RANGE_FROM, _RANGE_SIZE = 100_000, 65_536  # of the range that the default user gets, as with Docker
_MAX_EXTENTS = 340  # of one map: user_namespaces(7)
_MAX_FILE = 16 * 1024 * 1024


def load(word: str, etc: Path = Path("/etc"), run: Callable[[list[str]], None] | None = None) -> Remap | None:
    """The map that a value of ``userns-remap`` asks for; None for none, and for root, who cannot be remapped to itself.

    ``run`` executes a program of the host's, to make the default user. Raises InvalidArgument when there is no such
    user or group, or no valid ranges for it.
    """
    if not word:
        return None
    user, colon, group = word.partition(":")
    if not user or (colon and not group) or ":" in group:
        raise InvalidArgument(f'userns-remap: invalid user/group specification "{word}": give user or user:group')
    if user == "default":
        _make_default_user(etc, run or _run)
    name, uid = _entry(etc / "passwd", DEFAULT_USER if user == "default" else user, "user")
    group_name, gid = _entry(etc / "group", group or (str(uid) if user.isdecimal() else name), "group")
    if name == "root":
        log.warning("user namespaces: root cannot be remapped with itself; user namespaces are off")
        return None
    uids = _ranges(etc / "subuid", (name, str(uid)))
    gids = _ranges(etc / "subgid", (name, str(uid), group_name, str(gid)))
    return Remap(name, uids, gids)


def _entry(path: Path, wanted: str, what: str) -> tuple[str, int]:
    """Name and number of a user or group, given by either."""
    for line in _lines(path):
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdecimal() and wanted in (fields[0], fields[2]):
            return fields[0], int(fields[2])
    raise InvalidArgument(f"userns-remap: there is no {what} {wanted} in {path}")


def _make_default_user(etc: Path, run: Callable[[list[str]], None]) -> None:
    """The user of ``default``, if there is none yet, and for it the first range that nobody has."""
    if any(line.split(":")[0] == DEFAULT_USER for line in _lines(etc / "passwd")):
        return
    first = _RANGE_FROM
    for path in (etc / "subuid", etc / "subgid"):
        for number, line in enumerate(_lines(path) if path.exists() else [], 1):
            if line and not line.startswith("#"):
                begin, count = _range(line.split(":")[1:], f"{path}, line {number}")
                first = max(first, begin + count)
    log.info("userns-remap: making the user %s, with ids from %d on", DEFAULT_USER, first)
    run(["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", DEFAULT_USER])
    given = f"{first}-{first + _RANGE_SIZE - 1}"
    run(["usermod", "--add-subuids", given, "--add-subgids", given, DEFAULT_USER])


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        told = (getattr(error, "stderr", "") or str(error)).strip()
        raise InvalidArgument(
            f"userns-remap: cannot make the user {DEFAULT_USER}: {' '.join(command)}: {told}; make it and give it "
            "ranges in /etc/subuid and /etc/subgid, or name another user"
        ) from error


def _ranges(path: Path, owners: tuple[str, ...]) -> tuple[IdMapping, ...]:
    """The ranges of the first of these names that has any, one after the other."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number, line in enumerate(_lines(path), 1):
        owner, *numbers = line.split(":")
        if owner in owners:
            found.setdefault(owner, []).append(_range(numbers, f"{path}, line {number}"))
    for owner in owners:
        if owner in found:
            return _extents(found[owner], f"{path}, {owner}")
    raise InvalidArgument(
        f"userns-remap: {path} gives no ids to {owners[0]}: add a line such as {owners[0]}:100000:65536"
    )


def _range(numbers: list[str], where: str) -> tuple[int, int]:
    if len(numbers) != 2 or not all(text.isascii() and text.isdecimal() and len(text) < 11 for text in numbers):
        raise InvalidArgument(f"userns-remap: {where}: not of the form name:first:count")
    first, count = map(int, numbers)
    if not count or first + count > LIMIT:
        raise InvalidArgument(f"userns-remap: {where}: {count} ids from {first} on are no range of ids")
    if first == 0:
        raise InvalidArgument(f"userns-remap: {where}: the range begins with 0, which is the host's own root")
    return first, count


def _extents(ranges: list[tuple[int, int]], where: str) -> tuple[IdMapping, ...]:
    ordered = sorted(ranges)
    for (first, count), (following, _) in pairwise(ordered):
        if first + count > following:
            raise InvalidArgument(f"userns-remap: {where}: the ranges at {first} and {following} overlap")
    if len(ranges) > _MAX_EXTENTS:
        raise InvalidArgument(f"userns-remap: {where}: {len(ranges)} ranges, the kernel takes {_MAX_EXTENTS}")
    result: list[IdMapping] = []
    begin = 0
    for first, count in ranges:
        result.append({"containerID": begin, "hostID": first, "size": count})
        begin += count
    return tuple(result)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise InvalidArgument(f"userns-remap: cannot read {path}: {error.strerror}") from None
    return [line.strip() for line in text.splitlines()]
