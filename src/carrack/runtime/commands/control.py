"""pause, resume, update: what changes a container through its cgroup."""

from __future__ import annotations

import json
import sys

from carrack.errors import Conflict, InvalidArgument
from carrack.runtime.commands.context import Context, Verb
from carrack.runtime.flags import NUMBER, VALUE, exactly
from carrack.runtime.lifecycle import cgroup_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.runtime.flags import Flags

#: flag → where in linux.resources it goes
_NUMBERS = {
    "memory": ("memory", "limit"),
    "memory-reservation": ("memory", "reservation"),
    "memory-swap": ("memory", "swap"),
    "cpu-period": ("cpu", "period"),
    "cpu-quota": ("cpu", "quota"),
    "cpu-burst": ("cpu", "burst"),
    "cpu-share": ("cpu", "shares"),
    "cpu-idle": ("cpu", "idle"),
    "pids-limit": ("pids", "limit"),
    "blkio-weight": ("blockIO", "weight"),
}
_WORDS = {"cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems")}


def _pause(context: Context, flags: Flags) -> int:
    (container,) = exactly(flags, 1, PAUSE.usage)
    state = context.root.open(container)
    cgroup = cgroup_of(context.kernel, state)
    if cgroup is None or state.status(cgroup) not in ("running", "created"):
        raise Conflict("container not running")
    cgroup.freeze()
    return 0


def _resume(context: Context, flags: Flags) -> int:
    (container,) = exactly(flags, 1, RESUME.usage)
    state = context.root.open(container)
    cgroup = cgroup_of(context.kernel, state)
    if cgroup is None or state.status(cgroup) != "paused":
        raise Conflict("container not paused")
    cgroup.thaw()
    return 0


def _update(context: Context, flags: Flags) -> int:
    (container,) = exactly(flags, 1, UPDATE.usage)
    state = context.root.open(container)
    cgroup = cgroup_of(context.kernel, state)
    if cgroup is None or not state.alive():
        raise Conflict("container not running")
    cgroup.apply(resources(flags))
    return 0


def resources(flags: Flags) -> Any:
    """linux.resources from a file (``-`` is our input) or from the flags."""
    path = flags.value("resources")
    if path:
        try:
            if path == "-":
                document = json.load(sys.stdin)
            else:
                with open(path, "rb") as file:
                    document = json.load(file)
        except ValueError as error:
            raise InvalidArgument(f"--resources {path}: {error}") from None
        if not isinstance(document, dict):
            raise InvalidArgument(f"--resources {path}: must hold an object like linux.resources")
        return document
    result: dict[str, dict[str, int | str]] = {}
    for name, (section, key) in _NUMBERS.items():
        if flags.value(name):
            result.setdefault(section, {})[key] = flags.number(name)
    for name, (section, key) in _WORDS.items():
        if flags.value(name):
            result.setdefault(section, {})[key] = flags.value(name)
    if not result:
        raise InvalidArgument(f"nothing to update. Usage: {UPDATE.usage}")
    return result


PAUSE = Verb(_pause, "pause ID")
RESUME = Verb(_resume, "resume ID")
UPDATE = Verb(
    _update,
    "update [-r FILE|-] [--memory BYTES] [--cpu-quota US] [--pids-limit N] [...] ID",
    {"resources": VALUE, **dict.fromkeys(_NUMBERS, NUMBER), **dict.fromkeys(_WORDS, VALUE)},
    {"r": "resources"},
)
