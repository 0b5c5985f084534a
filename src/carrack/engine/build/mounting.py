"""What a RUN has mounted besides its own files: see Mounter of carrack.engine.build.doing.

A part of the build's context is mounted as a layer made of it: nothing is unpacked, and the same files are the same
layer for every build.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.dockerfile.ignore import Ignored
from carrack.engine.build import cachemounts, scratch
from carrack.engine.build.cache import base_of
from carrack.engine.build.request import Files
from carrack.engine.build.running import Bound
from carrack.engine.build.working import FILES, Worker
from carrack.engine.volumes.specs import part_of_view
from carrack.engine.whole import in_thread, made, whole
from carrack.errors import InvalidArgument
from carrack.storage.trees.layer import content_digest
from carrack.storage.trees.picking import pick

if TYPE_CHECKING:
    from carrack.dockerfile.mounts import Mount
    from carrack.engine.build.request import Agents, Request
    from carrack.engine.build.solve import FilesOf
    from carrack.engine.build.steps import RunStep
    from carrack.engine.build.working import Tools

_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent."


@dataclass(slots=True)
class _Opened:
    """What has been opened so far for one RUN."""

    files: FilesOf
    agents: Agents
    held: AsyncExitStack
    bounds: list[Bound] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    memory: Path | None = None


class Mounts:
    """See Mounter."""

    def __init__(self, tools: Tools, caches: cachemounts.CacheMounts, places: scratch.Scratch) -> None:
        self._tools = tools
        self._worker = Worker(tools)
        self._caches = caches
        self._places = places

    async def digests(self, step: RunStep, files: FilesOf) -> dict[str, str]:
        """See Mounter."""
        found: dict[str, str] = {}
        for mount in step.mounts:
            if mount.type == "bind":
                source = await files(mount.origin)
                name = f"{mount.origin or 'context'}:{mount.source}"
                if isinstance(source, Files):
                    found[name] = await asyncio.to_thread(_digest, source, mount.source)
                else:
                    found[name] = base_of(source.layers)
        return found

    @asynccontextmanager
    async def open(
        self, step: RunStep, files: FilesOf, request: Request
    ) -> AsyncIterator[tuple[tuple[Bound, ...], Mapping[str, str]]]:
        """See Mounter."""
        kinds = {
            "bind": self._bind,
            "cache": self._cache,
            "tmpfs": self._tmpfs,
            "secret": self._secret,
            "ssh": self._ssh,
        }
        async with AsyncExitStack() as held:
            opened = _Opened(files, request.agents, held)
            mounts = _apart(step.mounts, request.arguments.get("BUILDKIT_CACHE_MOUNT_NS", ""))
            await held.enter_async_context(self._caches.locked(mounts))
            for mount in mounts:
                await kinds[mount.type](mount, opened)
            for name, text in step.scripts:
                path = await self._file(opened, text.encode("utf-8", "surrogateescape"), 0o755, 0, 0)
                opened.bounds.append(Bound(_absolute(name), source=path))
            yield tuple(opened.bounds), opened.env

    async def _bind(self, mount: Mount, opened: _Opened) -> None:
        layers, subpath = await self._source(mount, opened)
        if mount.readonly:
            opened.bounds.append(Bound(_absolute(mount.target), layers=layers, subpath=subpath))
            return
        place = await made(lambda: self._places.view(layers), self._places.remove)
        opened.held.push_async_callback(in_thread, self._places.remove, place)
        opened.bounds.append(Bound(_absolute(mount.target), source=place, subpath=subpath, readonly=False))

    async def _source(self, mount: Mount, opened: _Opened) -> tuple[tuple[str, ...], str]:
        """The layers that a mount's files are in, and where in them."""
        source = await opened.files(mount.origin)
        inside = _inside(mount.source)
        if isinstance(source, Files):
            diff_id = await self._worker.packed(source, opened.held)
            return (diff_id,), posixpath.join(FILES, inside).rstrip("/")
        return source.layers, inside

    async def _cache(self, mount: Mount, opened: _Opened) -> None:
        async def prepare(folder: Path) -> None:
            await asyncio.to_thread(cachemounts.dress, folder, mount)
            if mount.origin:
                layers, subpath = await self._source(mount, opened)
                await whole(asyncio.to_thread(self._fill, layers, subpath, folder))

        place = await opened.held.enter_async_context(self._caches.take(mount, prepare))
        inside = "" if mount.origin else _inside(mount.source)
        opened.bounds.append(Bound(_absolute(mount.target), source=place, subpath=inside, readonly=mount.readonly))

    def _fill(self, layers: tuple[str, ...], subpath: str, place: Path) -> None:
        with ExitStack() as held:
            view = self._tools.snapshotter.view(layers)
            held.callback(os.close, view)
            part = part_of_view(view, subpath, "the stage", f"{place}.part", held) if subpath else view
            cachemounts.fill(part, place)

    async def _tmpfs(self, mount: Mount, opened: _Opened) -> None:
        opened.bounds.append(Bound(_absolute(mount.target), tmpfs=True, size=mount.size))

    async def _secret(self, mount: Mount, opened: _Opened) -> None:
        name = mount.id or posixpath.basename(mount.target) or mount.env
        data = await opened.agents.secret(name)
        if data is None:
            if mount.required:
                raise InvalidArgument(f"secret {name}: not found: give it with --secret id={name}")
            return
        if mount.env:
            opened.env[mount.env] = data.decode("utf-8", "surrogateescape")
        if mount.target or not mount.env:
            mode = 0o400 if mount.mode is None else mount.mode
            path = await self._file(opened, data, mode, mount.uid or 0, mount.gid or 0)
            opened.bounds.append(Bound(_absolute(mount.target or f"{_SECRETS}/{name}"), source=path))

    async def _file(self, opened: _Opened, data: bytes, mode: int, uid: int, gid: int) -> Path:
        if opened.memory is None:
            opened.memory = await made(self._places.memory, self._places.remove)
            opened.held.push_async_callback(in_thread, self._places.remove, opened.memory)
        name = str(len(opened.bounds))
        return await asyncio.to_thread(scratch.write, opened.memory, name, data, mode, uid, gid)

    async def _ssh(self, mount: Mount, opened: _Opened) -> None:
        name = mount.id or "default"
        path = await opened.held.enter_async_context(opened.agents.ssh(name))
        if path is None:
            if mount.required:
                raise InvalidArgument(f"no ssh agent {name}: give one with --ssh {name}")
            return
        os.chown(path, mount.uid or 0, mount.gid or 0)
        os.chmod(path, 0o600 if mount.mode is None else mount.mode)
        target = _absolute(mount.target or f"{_AGENT}{len(opened.bounds)}")
        opened.env.setdefault("SSH_AUTH_SOCK", target)
        opened.bounds.append(Bound(target, source=Path(path), readonly=False))


def _apart(mounts: Sequence[Mount], space: str) -> Sequence[Mount]:
    """The same, with cache mounts that are those of a name space (a build argument) alone."""
    if not space:
        return mounts
    return [
        replace(mount, id=f"{space}/{mount.id or mount.target}") if mount.type == "cache" else mount for mount in mounts
    ]


def _digest(source: Files, path: str) -> str:
    things = pick(source.tree, path or ".", Ignored([]).__contains__, hidden=source.hidden)
    return content_digest([(source.tree, [each for thing in things for each in thing])])


def _absolute(path: str) -> str:
    clean = "/" + posixpath.normpath("/" + path).lstrip("/")
    if clean == "/":
        raise InvalidArgument(f"invalid mount target {path!r}: it must not be the root")
    return clean


def _inside(source: str) -> str:
    """A source below its root: ``..`` leads no higher (CVE-2024-1753)."""
    return posixpath.normpath("/" + source).lstrip("/")
