"""What is asked of a build, whichever face asks: the query of ``POST /build``, or the attributes of buildx's Solve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from carrack.dockerfile.file import Dockerfile
from carrack.dockerfile.ignore import Ignored
from carrack.engine.build import policies
from carrack.engine.build.policies import Policy
from carrack.errors import InvalidArgument
from carrack.oci.platform import Platform
from carrack.registry.credentials import Credentials
from carrack.storage.trees.base import Tree

if TYPE_CHECKING:
    from carrack.engine.build.caching.importing import Store
    from carrack.engine.build.caching.wanted import CacheAt
    from carrack.engine.build.results import Result


@dataclass(frozen=True, slots=True)
class Files:
    """A tree that steps copy from, and what of it counts as absent. ``name`` is how people call it."""

    tree: Tree
    hidden: Callable[[str], bool] | None = None
    name: str = "build context"


#: opens the files of a context, at most once a build; closed with the build
OpenFiles = Callable[[], Awaitable[Files]]


class Once:
    """See OpenFiles: a context by its name, however many steps take files from it, and at whatever time."""

    def __init__(self, name: str, fetch: Callable[[], Awaitable[Tree]]) -> None:
        self._name = name
        self._fetch = fetch
        self._turn = asyncio.Lock()
        self._files: Files | None = None

    async def __call__(self) -> Files:
        async with self._turn:
            if self._files is None:
                self._files = Files(await self._fetch(), name=self._name)
        return self._files


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An image that is neither in the store nor in a registry. ``open`` gives it for a platform, as a stage that has
    just begun; its layers stay until the build is over."""

    open: Callable[[Platform], Awaitable[Result]]


class Agents(Protocol):
    """What only the client has: secrets, ssh agents, credentials. A face without a session has none of them."""

    async def secret(self, name: str) -> bytes | None:
        """The bytes of a secret; None when the client has none of that id."""
        ...

    def ssh(self, name: str) -> AbstractAsyncContextManager[str | None]:
        """A socket's path on the host that leads to the client's agent while inside; None when there is none."""
        ...

    async def credentials(self, server: str) -> Credentials:
        """Who the client is at a registry."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What the programs of a build may use, as in a container's HostConfig (its names); empty for no limits."""

    host_config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One build. ``contexts``: ``--build-context`` by name: a tree, an image's name (``docker-image://…`` resolved by
    the face to text), or an image from elsewhere; ``epoch``: SOURCE_DATE_EPOCH in seconds, None for now.

    ``allow``: entitlements (``network.host``, ``security.insecure``); ``style``: how history is written, as Docker's
    classic builder does or as BuildKit does; ``prefix``: what tells its steps from those of other platforms' builds
    beside it, shown before their stages' names; ``identity``: what makes two builds versions of one; ``ignored``: what
    the client left out of its context.

    ``imports`` and ``exports``: caches that it is given and is to give (see carrack.engine.build.caching); ``stores``
    opens a folder of the client's that one of them is in, where the face has a way to it. ``ancestors``: images whose
    history may be followed, as classic builds do. ``policy``: what may be taken from elsewhere. ``explain``: tell the
    file for which a copy had to be done."""

    file: Dockerfile
    context: OpenFiles
    build_platform: Platform
    platform: Platform
    agents: Agents
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, OpenFiles | str | Elsewhere] = field(default_factory=dict)
    target: str = ""
    network: str = ""
    extra_hosts: tuple[str, ...] = ()
    hostname: str = ""
    no_cache: bool = False
    no_cache_stages: frozenset[str] = frozenset()
    pull: bool = False
    allow: frozenset[str] = frozenset()
    limits: Limits = Limits()
    epoch: int | None = None
    style: str = "buildkit"
    identity: str = ""
    ignored: Ignored | None = None
    imports: tuple[CacheAt, ...] = ()
    exports: tuple[CacheAt, ...] = ()
    stores: Callable[[CacheAt], Store] | None = None
    ancestors: tuple[str, ...] = ()
    squash: bool = False
    prefix: str = ""
    policy: Policy = policies.ALL
    explain: bool = False

    @property
    def standing(self) -> Mapping[str, str]:
        """What each named context stands for: see carrack.engine.build.standing."""
        return {
            name: given if isinstance(given, str) else name if isinstance(given, Elsewhere) else ""
            for name, given in self.contexts.items()
        }


def epoch(arguments: Mapping[str, str]) -> int | None:
    """The build argument that is no time later than in an image. Raises InvalidArgument."""
    text = arguments.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise InvalidArgument(f"SOURCE_DATE_EPOCH must be seconds since 1970, not {text!r}")
    return int(text)


#: pieces of a file that is being fetched or sent
Pieces = AsyncIterator[bytes]
