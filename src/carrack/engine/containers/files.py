"""`cp`, `diff`, `export`: a container's files, through descriptors only and without mounting anything.

The root of a running container is the one its program sees, volumes included. A stopped one's is a detached mount;
a path below one of its volumes or binds is then looked up in that mount's source.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from carrack.engine import pump, spec
from carrack.engine.containers import places
from carrack.engine.containers.create import attributes
from carrack.engine.containers.file_ids import SAME, FileIds, is_idmapped, of_mount, of_process
from carrack.engine.containers.record import Container
from carrack.errors import CarrackError, Conflict, Forbidden, Internal, InvalidArgument, NotFound
from carrack.linux import pidfd
from carrack.linux.mount import read_mountinfo
from carrack.linux.syscalls import LINUX
from carrack.runtime import users
from carrack.runtime.inroot import Procfs
from carrack.storage import archive, compression, differ
from carrack.storage.unpack import unpack

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.engine.spec import HostFacts
    from carrack.engine.volumes.store import VolumeStore
    from carrack.model.container import MountPoint
    from carrack.shim.client import Shim
    from carrack.storage.snapshots.base import Snapshotter

T = TypeVar("T")


class Files:
    """File operations on containers."""

    def __init__(
        self, snapshotter: Snapshotter, volumes: VolumeStore, events: Events, facts: HostFacts | None = None
    ) -> None:
        self._facts = facts
        self._snapshotter = snapshotter
        self._volumes = volumes
        self._events = events

    @contextmanager
    def _root(
        self, c: Container, path: str, mounted: Mapping[str, str], *, writing: bool = False
    ) -> Iterator[tuple[int, str, FileIds]]:
        """A descriptor of the root to look in, the path below it, and whom owners are (blocking)."""
        running = c.state.status in ("running", "paused")
        if running and c.shim is not None and not (writing and _is_mapped(c, path)):
            fd, ids = _running_root(c, c.shim, os.O_PATH)
        else:
            fd, path, point = places.open_root(self._snapshotter, c, path, mounted)
            try:
                ids = SAME if point is None or point["Type"] == "image" else self._ids_of(c, point, fd)
            except BaseException:
                os.close(fd)
                raise
        try:
            yield fd, path, ids
        finally:
            os.close(fd)

    def _ids_of(self, c: Container, point: MountPoint, source: int) -> FileIds:
        """Of a volume or bind that is looked at as the host has it."""
        owner, user = os.fstat(source), self._user(c) if is_idmapped(point) else None
        remap = spec.remapped(c.host_config, self._facts) if self._facts is not None else None
        return of_mount(point, remap, (owner.st_uid, owner.st_gid), user or (0, 0))

    def _user(self, c: Container) -> tuple[int, int] | None:
        """The container's user, as the container's own files know it; None for root."""
        if not c.config["User"]:
            return None
        root = (
            self._snapshotter.mount(c.id, label=c.mount_label)
            if c.shim is None
            else _running_root(c, c.shim, os.O_PATH)[0]
        )
        procfs = Procfs(LINUX)
        try:
            found = users.identify(c.config["User"], (), users.read_accounts(LINUX, procfs, root))
        finally:
            procfs.close()
            os.close(root)
        return found.uid, found.gid

    async def stat(self, c: Container, path: str) -> dict[str, Any]:
        """What the header X-Docker-Container-Path-Stat says. Raises NotFound."""
        _check(path)
        await c.left()

        async with places.mounted(self._volumes, c, path) as mounted:

            def look() -> dict[str, Any]:
                with self._root(c, path, mounted) as (fd, below, _):
                    return archive.stat(LINUX, fd, below, path).document()

            return await asyncio.to_thread(_translated, c, path, look)

    def get(self, c: Container, path: str) -> AsyncIterator[bytes]:
        """A tar of what ``path`` names."""
        self._events.publish("container", "archive-path", c.id, attributes(c))
        if places.to_mount(self._volumes, c, path):
            return self._get_mounted(c, path)
        return self._packed(c, path, {})

    def _packed(self, c: Container, path: str, mounted: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        def work(write: Callable[[bytes | memoryview], object]) -> None:
            with self._root(c, path, mounted) as (fd, below, ids):
                _translated(c, path, lambda: _pack(fd, below, path, write, ids))

        return pump.produce(work)

    async def _get_mounted(self, c: Container, path: str) -> AsyncGenerator[bytes, None]:
        async with (
            places.mounted(self._volumes, c, path) as mounted,
            aclosing(self._packed(c, path, mounted)) as pieces,
        ):
            async for piece in pieces:
                yield piece

    async def put(
        self,
        c: Container,
        path: str,
        body: AsyncIterable[bytes],
        *,
        keep_kinds: bool = False,
        copy_owner: bool = False,
    ) -> None:
        """Unpack a tar (plain, gzip, bzip2, xz or zstd) into the directory ``path``.

        Raises NotFound, InvalidArgument on a bad archive, Forbidden when the root is read-only.
        """
        _check(path)
        await c.left()
        _check_writable(c, path)
        async with places.mounted(self._volumes, c, path) as mounted:

            def work(source: Any) -> None:
                with self._root(c, path, mounted, writing=True) as (fd, below, ids):
                    owner = self._user(c) if copy_owner else None
                    plain = compression.Decompressed(source)
                    _translated(c, path, lambda: unpack(LINUX, fd, below, plain, no_overwrite_dir_non_dir=keep_kinds, owner=owner, outside=ids.outside))  # fmt: skip  # noqa: E501

            await pump.consume(body, work)
        self._events.publish("container", "extract-to-dir", c.id, attributes(c))

    def export(self, c: Container) -> AsyncIterator[bytes]:
        """A tar of the whole root file system, without volumes and pseudo file systems."""

        def work(write: Callable[[bytes | memoryview], object]) -> None:
            shim = c.shim
            fd, ids = (
                (self._snapshotter.mount(c.id, label=c.mount_label), SAME)
                if shim is None
                else _running_root(c, shim, os.O_RDONLY)
            )
            try:
                covered = set() if shim is None else archive.mounted_in(LINUX, fd, _mount_points(shim.pid))
                archive.pack_root(LINUX, fd, write, ids.inside, covered)
            finally:
                os.close(fd)

        self._events.publish("container", "export", c.id, attributes(c))
        return pump.produce(work)

    async def changes(self, c: Container) -> list[dict[str, Any]] | None:
        """What differs from the image: kind 0 modified, 1 added, 2 deleted; None when nothing does."""
        return await asyncio.to_thread(self._changes, c) or None

    def _changes(self, c: Container) -> list[dict[str, Any]]:
        with self._snapshotter.changes(c.id) as upper:
            view = self._snapshotter.view(c.layers)
            try:
                found = [{"Path": change.path, "Kind": change.kind} for change in differ.changes(upper, view)]
            finally:
                os.close(view)
        return sorted(found, key=lambda change: str(change["Path"]))

    async def size(self, c: Container) -> int:
        """Bytes of the files that the container wrote; 0 when they are lost."""
        try:
            return await asyncio.to_thread(self._snapshotter.size, c.id)
        except NotFound:
            return 0  # a listing is to show the others


def _running_root(c: Container, shim: Shim, flags: int) -> tuple[int, FileIds]:
    """The root that a container's program sees, and whom owners are. Raises Conflict when the program has ended.

    Its process id may have been given to another program meanwhile; that its pidfd still lives after the open says
    that it was not.
    """
    try:
        ids = of_process(shim.pid)
        fd = os.open(f"/proc/{shim.pid}/root", flags | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise Conflict(f"container {c.id} has just ended: try again") from error
    if shim.pidfd < 0 or pidfd.ended(shim.pidfd):
        os.close(fd)
        raise Conflict(f"container {c.id} has just ended: try again")
    return fd, ids


def _is_mapped(c: Container, path: str) -> bool:
    """Whether a path lies in a mount with mapped owners, in which the host's root can make nothing, for it may have no
    id there: what is put into it goes to the source."""
    points = places.points_of(c, path)
    return bool(points) and is_idmapped(points[0][0]) and os.path.isdir(points[0][0]["Source"])


def _mount_points(pid: int) -> list[str]:
    """Where something is mounted in a process's root, but on the root itself; nothing when it has ended."""
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return [info.mount_point for info in read_mountinfo(file.read()) if info.mount_point != "/"]
    except OSError:
        return []


def _check(path: str) -> None:
    if not path:
        raise InvalidArgument("bad parameter: 'path' cannot be empty")


def _check_writable(c: Container, path: str) -> None:
    points = places.points_of(c, path)
    if points and not points[0][0]["RW"]:
        raise Forbidden("mounted volume is marked read-only")
    if not points and c.host_config["ReadonlyRootfs"]:
        raise Forbidden("container rootfs is marked read-only")


def _pack(fd: int, below: str, path: str, write: Callable[[bytes | memoryview], object], ids: FileIds) -> None:
    try:
        archive.pack(LINUX, fd, below, write, ids.inside, path)
    except NotADirectoryError as error:  # as dockerd tells it, which looks for what does not exist only
        raise Internal(f"lstat {path}: not a directory") from error


def _translated(c: Container, path: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except CarrackError:
        raise
    except FileNotFoundError as error:
        raise NotFound(f"Could not find the file {path} in container {c.name}") from error
    except OSError as error:
        if archive.missing(error):
            raise NotFound(f"Could not find the file {path} in container {c.name}") from error
        raise
