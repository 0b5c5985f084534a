"""A /dev/shm that containers share (``--ipc shareable`` and ``--ipc container:ID``).

A private /dev/shm exists only in its container's mount namespace, where nobody else can get at it. A shareable one is
a tmpfs that the engine attaches in the container's run directory and binds into every container that joins.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable

from carrack.engine import defaults
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.errors import Conflict
from carrack.linux.mount import AT_FDCWD, MNT_DETACH, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID
from carrack.linux.syscalls import LINUX
from carrack.oci.runtime_spec import Mount

_FLAGS = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC


def _place(paths: Paths, identity: str) -> str:
    return os.path.join(paths.run(identity), "shm")


def mounts(c: Container, paths: Paths, find: Callable[[str], Container]) -> list[Mount]:
    """The bind of the shared /dev/shm, if this container has or joins one; ``find`` gives the container it joins."""
    mode = c.host_config["IpcMode"]
    if mode != "shareable" and not mode.startswith("container:"):
        return []
    owner = c if mode == "shareable" else find(mode.removeprefix("container:"))
    if owner.host_config["IpcMode"] == "host":
        return [defaults.HOST_SHM]
    place = _place(paths, owner.id)
    return [{"destination": "/dev/shm", "type": "bind", "source": place, "options": ["rbind", "rprivate"]}]


def check_joinable(other: Container) -> None:
    """Raise Conflict when another container cannot join this one's IPC namespace."""
    if other.host_config["IpcMode"] not in ("shareable", "host"):
        raise Conflict(
            f"failed to join IPC namespace: container {other.id}: non-shareable IPC "
            "(hint: use IpcMode:shareable for the donor container)"
        )


def attach(c: Container, paths: Paths, owner: tuple[int, int] = (0, 0)) -> None:
    """Make the shareable tmpfs of a starting container, whose root is ``owner`` on the host (blocking)."""
    if c.host_config["IpcMode"] != "shareable":
        return
    place = _place(paths, c.id)
    os.makedirs(place, mode=0o700, exist_ok=True)
    release(paths.run(c.id))
    options: list[tuple[str, str | int | None]] = [("source", "shm"), ("mode", "1777")]
    options += [("size", str(c.host_config["ShmSize"])), ("uid", str(owner[0])), ("gid", str(owner[1]))]
    if c.mount_label:
        options.append(("context", c.mount_label))
    fd = LINUX.new_mount("tmpfs", options, _FLAGS)
    try:
        LINUX.move_mount(fd, AT_FDCWD, place)
    finally:
        os.close(fd)


def release(directory: str) -> None:
    """Detach what may be attached in a container's run directory, before that is removed (blocking)."""
    for name in ("shm", "image"):  # the second for a moment only, see volumes/specs.py
        with contextlib.suppress(OSError):
            LINUX.umount(os.path.join(directory, name), MNT_DETACH)


def remove_directory(directory: str) -> None:
    """Remove a container's run directory (blocking); nothing when it is gone already."""
    release(directory)
    shutil.rmtree(directory, ignore_errors=True)
