"""Joining another container's namespaces: by descriptor, and never without its user namespace.

Whoever shares a network, the processes or the IPC of a container in a user namespace has rights over them only in
that user namespace, so it is shared, too, as with Docker.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack

from carrack.engine.containers.record import Container
from carrack.engine.userns import Remap, read
from carrack.errors import Conflict

_DYING_S = 0.2


def open_namespace(other: Container, file: str, held: ExitStack) -> int:
    """A namespace of a running container by its name in /proc/PID/ns; closed with ``held``."""
    fd = os.open(f"/proc/{other.state.pid}/ns/{file}", os.O_RDONLY | os.O_CLOEXEC)
    held.callback(os.close, fd)
    return fd


async def settled(other: Container) -> None:
    """Wait a moment for the end of a container that could not be joined: that it is ending may be why (a pid namespace
    whose first process has ended takes nobody in, which the kernel calls a lack of memory, see fork(2))."""
    if other.shim is not None:
        await asyncio.wait({other.shim.exited}, timeout=_DYING_S)


def share_users(c: Container, other: Container, remap: Remap | None, join: dict[str, int], held: ExitStack) -> None:
    """Join the user namespace of a container, too. Raises Conflict when it is not one that ``c`` can be in."""
    space = open_namespace(other, "user", held)
    if "user" in join and os.path.sameopenfile(join["user"], space):
        return
    if "user" in join:
        raise Conflict(
            f"container {c.name} cannot share namespaces of two containers that are in different user namespaces"
        )
    if remap is None or maps_of(other.state.pid) != (remap.uids, remap.gids):
        raise Conflict(
            f"container {other.name} is not in a user namespace with this daemon's map: to share its namespaces, "
            "give --userns=host here, too, or start it again"
        )
    join["user"] = space


def maps_of(pid: int) -> tuple[object, object]:
    """The two maps of a process's user namespace, as the host sees them."""
    return tuple(read(_text(f"/proc/{pid}/{name}")) for name in ("uid_map", "gid_map"))  # type: ignore[return-value]


def _text(path: str) -> str:
    with open(path) as file:
        return file.read()
