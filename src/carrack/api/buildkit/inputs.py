"""What one build reads: its Dockerfile and its contexts, from folders of its client or from elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from carrack.api.buildkit import filesync
from carrack.api.buildkit import messages as m
from carrack.api.buildkit.contents import SessionStore
from carrack.api.buildkit.pointing import reading
from carrack.dockerfile import ignore
from carrack.engine.build import giturl, order, policies
from carrack.engine.build.judging import judged
from carrack.engine.build.layouts import parse as parse_layout
from carrack.engine.build.progress import STDOUT, Vertex
from carrack.engine.build.request import Elsewhere, Files, Once
from carrack.errors import InvalidArgument, NotFound, NotSupported, redacted, words
from carrack.storage.tarheader import DIRECTORY
from carrack.storage.trees.base import follow
from carrack.storage.trees.below import TreeBelow

if TYPE_CHECKING:
    from carrack.api.buildkit.attributes import Wanted
    from carrack.api.buildkit.sessions import Session
    from carrack.engine.build.fetching import Remote
    from carrack.engine.build.layouts import Layouts
    from carrack.engine.build.policies import Policy
    from carrack.engine.build.recording import Recording
    from carrack.engine.build.request import Agents, OpenFiles
    from carrack.engine.build.service import Builder
    from carrack.storage.trees.base import Tree

#: the host in addresses of what the client itself has, as an archive that comes to buildx on its standard input
SENT = "buildkit-session"
T = TypeVar("T")
_IGNORE = ".dockerignore"
_PULL = "/moby.upload.v1.Upload/Pull"


@dataclass(slots=True)
class Inputs:
    """Those of one build. What is opened stays until ``held`` ends; ``linked``: contexts that other builds gave."""

    builder: Builder
    session: Session
    agents: Agents
    wanted: Wanted
    watching: Recording
    held: AsyncExitStack
    linked: Mapping[str, Elsewhere] = field(default_factory=dict)
    policy: Policy = policies.ALL
    _remote: Remote | None = None
    _files: Files | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # stages, and platforms, ask at the same time
    patterns: list[str] = field(default_factory=list)
    """What the context leaves out; known with the definition."""

    async def definition(self) -> bytes:
        """The Dockerfile. A context from elsewhere has its own, and leaves out nothing, unless the client gives one."""
        name = self.wanted.filename
        if self.wanted.remote and not self.wanted.dockerfile_here:
            git = _is_git(self.wanted.remote)
            if git:
                giturl.parse(self.wanted.remote)
            with reading("dockerfile" if git else "downloaded context"):
                remote = await self._elsewhere()
            tree, name = remote.tree, remote.dockerfile or name
        else:
            names = [name, f"{name}.dockerignore", _IGNORE]
            names += [name.lower()] if name == order.DOCKERFILE else []
            with reading("dockerfile"):
                await self._allowed(self.wanted.dockerfile_key)
            tree = await self._client(self.wanted.dockerfile_key, f"load build definition from {name}", names)
            ignoring = Vertex.make(self.session.id, f"[internal] load {_IGNORE}")
            self.watching.started(ignoring)  # it has come with the definition
            self.patterns = [] if self.wanted.remote else _ignored(tree, name)
            self.watching.ended(ignoring)
        source = _definition(tree, name)
        self.watching.reads(name, source)
        return source

    async def context(self) -> Files:
        """See OpenFiles."""
        async with self._turn:
            if self._files is None and self.wanted.remote:
                self._files = Files(_below((await self._elsewhere()).tree, self.wanted.folder))
            elif self._files is None:
                await self._allowed(self.wanted.context_key)
                files = await self._client(self.wanted.context_key, "load build context", exclude=self.patterns)
                self._files = Files(files)
        return self._files

    def named(self, name: str, text: str) -> OpenFiles | str | Elsewhere:
        """A context with a name: an image's name, or what opens files or an image. Raises NotSupported."""
        kind, _, rest = text.partition(":")
        if name in self.linked:
            return self.linked[name]
        if kind == "docker-image":
            return rest.removeprefix("//")
        if kind == "local":
            return Once(name, lambda: self._folder(name, rest))
        if kind in ("http", "https") or giturl.is_git(text):
            return Once(name, lambda: self._fetched(name, text))
        if kind == "oci-layout" and self.builder.layouts is not None:
            return self._layout(self.builder.layouts, text)
        raise NotSupported(f"the build context {name}={text} is not supported by this version of Carrack")

    def _layout(self, layouts: Layouts, text: str) -> Elsewhere:
        folder, digest = parse_layout(text)
        store = SessionStore(self.session, f"oci:{folder}")
        return Elsewhere(lambda platform: layouts.open(store, folder, digest, platform, self.held))

    async def _folder(self, name: str, folder: str) -> Tree:
        """A folder of the client's, without what its own ``.dockerignore`` leaves out."""
        await self._allowed(folder)
        said = await self._client(folder, f"load .dockerignore of context {name}", [_IGNORE])
        return await self._client(folder, f"load context {name}", exclude=_patterns(said, _IGNORE) or ())

    async def _allowed(self, folder: str) -> None:
        await judged(self.policy, lambda policy: policy.folder(folder))

    async def _fetched(self, name: str, text: str) -> Tree:
        vertex = Vertex.make(self.session.id, f"[context {name}] {redacted(text)}")
        return (await self._told(vertex, self._from(vertex, text, unpack=False))).tree

    async def _elsewhere(self) -> Remote:
        if self._remote is None:
            source = self.wanted.remote
            title = f"load git source {redacted(source)}" if _is_git(source) else "load remote build context"
            vertex = Vertex.make(self.session.id, f"[internal] {title}")
            if source.partition("://")[2].partition("/")[0] == SENT:
                remote = self.builder.fetcher.sent(self._pulled(), self.held)
            else:
                keep = order.git_dir_kept(self.wanted.arguments)
                remote = self._from(vertex, source, keep_git_dir=keep)
            self._remote = await self._told(vertex, remote)
        return self._remote

    async def _from(self, vertex: Vertex, source: str, **how: bool) -> Remote:
        fetcher, moved = self.builder.fetcher, self._moved(vertex)
        said = partial(self.watching.log, vertex, STDOUT)
        return await fetcher.remote(source, self.agents, self.held, moved=moved, said=said, policy=self.policy, **how)

    async def _pulled(self) -> AsyncIterator[bytes]:
        metadata = [("urlpath", urlsplit(self.wanted.remote).path), ("urlhost", SENT)]
        async with self.session.caller.open(_PULL, m.BYTES, m.BYTES, metadata) as call:
            await call.send_request()
            await call.end()  # the other side resets a call that it ends before we do, and what it sent would be lost
            while (message := await call.recv_message()) is not None:
                yield message["data"]

    async def _client(self, name: str, title: str, follow: Sequence[str] = (), exclude: Sequence[str] = ()) -> Tree:
        contexts, vertex = self.builder.cache.contexts, Vertex.make(self.session.id, f"[internal] {title}")
        received = filesync.receive(self.session, contexts, name, follow=follow, exclude=exclude)
        tree = await self._told(vertex, received)
        self.held.callback(tree.close)
        return tree

    def _moved(self, vertex: Vertex) -> Callable[[str, int, int], None]:
        return lambda what, current, total: self.watching.moved(
            vertex, f"transferring {redacted(what)}", current, total
        )

    async def _told(self, vertex: Vertex, work: Awaitable[T]) -> T:
        """Work that those who watch see."""
        self.watching.started(vertex)
        try:
            found = await work
        except BaseException as error:
            self.watching.ended(vertex, error=words(error) or "canceled")
            raise
        self.watching.ended(vertex)
        return found


def _below(tree: Tree, folder: str) -> Tree:
    if not folder.strip("/"):
        return tree
    top = follow(tree, os.fsencode(folder))
    found = tree.find(top)
    if found is None or found.kind != DIRECTORY:
        raise NotFound(f"contextsubdir: there is no folder {folder} in the context")
    return TreeBelow(tree, top)


def _is_git(source: str) -> bool:
    return source.startswith(giturl.GITHUB) or giturl.is_git(source)


def _definition(tree: Tree, name: str) -> bytes:
    try:
        return order.read(tree, name)
    except NotFound as error:
        raise NotFound(f"failed to read dockerfile: open {name}: no such file or directory") from error


def _ignored(tree: Tree, filename: str) -> list[str]:
    for name in (f"{filename}.dockerignore", _IGNORE):
        if (found := _patterns(tree, name)) is not None:
            return found
    return []


def _patterns(tree: Tree, name: str) -> list[str] | None:
    try:
        return ignore.parse(order.read(tree, name))
    except (NotFound, InvalidArgument):
        return None
