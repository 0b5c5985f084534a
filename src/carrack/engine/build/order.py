"""From the words of a classic request to a request of the builder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carrack.dockerfile import file, ignore
from carrack.engine.build import stages
from carrack.engine.build.request import Files, Limits, Request, epoch
from carrack.engine.build.scope import global_scope
from carrack.errors import InvalidArgument, NotFound
from carrack.oci import platform as platforms
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.storage.tarheader import REGULAR
from carrack.storage.trees.base import Tree, follow

if TYPE_CHECKING:
    from carrack.dockerfile.file import Stage
    from carrack.engine.build.caching.importing import Store
    from carrack.engine.build.caching.wanted import CacheAt
    from carrack.engine.build.request import Elsewhere, OpenFiles


DOCKERFILE = "Dockerfile"
SENT = "sent:"
"""What the places of named contexts begin with that came before the request."""
_NO_SECRETS: Mapping[str, bytes] = {}
KEEP_GIT_DIR = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"


@asynccontextmanager
async def none_lent(name: str) -> AsyncIterator[str | None]:
    """See ``ssh`` of Agents: a client that lends no ssh agents."""
    yield None


Lent = Callable[[str], AbstractAsyncContextManager[str | None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of a classic request. ``credentials`` by registry; ``remote``: where the context lies, "" for one that
    comes with the request; ``named``: its named contexts as they were typed, ``contexts``: what opens them;
    ``keys``: the ssh agents that are ``lent``."""

    dockerfile: str = DOCKERFILE
    names: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platform: str = ""
    network: str = ""
    extra_hosts: tuple[str, ...] = ()
    quiet: bool = False
    no_cache: bool = False
    no_cache_stages: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    pull: bool = False
    identity: str = ""
    explain: bool = False
    squash: bool = False
    style: str = "classic"
    host_config: Mapping[str, object] = field(default_factory=dict)
    credentials: Mapping[str, Credentials] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    remote: str = ""
    imports: tuple[CacheAt, ...] = ()
    exports: tuple[CacheAt, ...] = ()
    ancestors: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    lent: Lent = none_lent
    named: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, OpenFiles | str | Elsewhere] = field(default_factory=dict)
    stores: Callable[[CacheAt], Store] | None = None


class Given:
    """See Agents: what came with the request itself."""

    def __init__(
        self, credentials: Mapping[str, Credentials], secrets: Mapping[str, bytes] = _NO_SECRETS, lent: Lent = none_lent
    ) -> None:
        self._credentials = credentials
        self._secrets = secrets
        self.ssh = lent

    async def secret(self, name: str) -> bytes | None:
        """See Agents."""
        return self._secrets.get(name)

    async def credentials(self, server: str) -> Credentials:
        """See Agents."""
        for name in (server, f"https://{server}", f"https://{server}/v1/", f"https://index.{server}/v1/"):
            if name in self._credentials:
                return self._credentials[name]
        return ANONYMOUS


def given(asked: Asked) -> Given:
    """What came with it."""
    return Given(asked.credentials, asked.secrets, asked.lent)


def request(asked: Asked, tree: Tree, *, alone: bool = False) -> Request:
    """The request. ``alone``: the tree is the Dockerfile, and there is no context. Raises InvalidArgument or
    DockerfileError for what is wrong before anything is done."""
    parsed = file.parse(read(tree, asked.dockerfile))
    host = platforms.of_machine(os.uname().machine)
    ignored = _ignored(tree, asked.dockerfile)

    async def context() -> Files:
        if alone:
            raise InvalidArgument(f"missing build context: {asked.remote} gave a Dockerfile and no other files")
        return Files(tree, _hidden(asked, ignored) if ignored else None)

    return Request(
        file=parsed,
        context=context,
        build_platform=host,
        platform=platforms.parse(asked.platform) if asked.platform else host,
        agents=given(asked),
        arguments=asked.arguments,
        labels=asked.labels,
        contexts=asked.contexts,
        target=asked.target,
        network=asked.network,
        extra_hosts=asked.extra_hosts,
        no_cache=asked.no_cache,
        no_cache_stages=asked.no_cache_stages,
        allow=asked.allow,
        pull=asked.pull,
        squash=asked.squash,
        limits=Limits(asked.host_config),
        style=asked.style,
        epoch=epoch(asked.arguments),
        ignored=ignored,
        imports=asked.imports,
        exports=asked.exports,
        ancestors=asked.ancestors,
        stores=asked.stores,
        explain=asked.explain,
        identity=f"{asked.names[0] if asked.names else ''}/{asked.dockerfile}",
    )


def keeps_git(asked: Asked) -> bool:
    """Whether a repository that is the context comes with its ``.git``."""
    return asked.style == "classic" or git_dir_kept(asked.arguments)


def git_dir_kept(arguments: Mapping[str, str]) -> bool:
    """Whether build arguments want it so. Raises InvalidArgument for a value that is neither true nor false."""
    text = arguments.get(KEEP_GIT_DIR, "")
    if text.lower() not in ("", "0", "f", "false", "1", "t", "true"):
        raise InvalidArgument(f"{KEEP_GIT_DIR} must be true or false, not {text!r}")
    return text.lower() in ("1", "t", "true")


def attributes(asked: Asked) -> dict[str, str]:
    """The request as BuildKit's frontend would have it, for who reads it later."""
    found = {
        "filename": asked.dockerfile,
        "context": asked.remote,
        "target": asked.target,
        "platform": asked.platform,
        "force-network-mode": asked.network,
        "add-hosts": ",".join(asked.extra_hosts),
        "image-resolve-mode": "pull" if asked.pull else "",
        **{f"build-arg:{name}": value for name, value in asked.arguments.items()},
        **{f"label:{name}": value for name, value in asked.labels.items()},
        **{
            f"context:{name}": f"local:{name}" if place.startswith(SENT) else place
            for name, place in asked.named.items()
        },
    }
    uncached = {"no-cache": ",".join(sorted(asked.no_cache_stages))} if asked.no_cache or asked.no_cache_stages else {}
    return {name: value for name, value in found.items() if value} | uncached


def told(made: Request) -> list[Stage]:
    """The stages that will be built, in the order in which they are told."""
    scope = global_scope(
        made.file.globals, made.arguments, made.build_platform, made.platform, made.target, made.file.directives.escape
    )
    plan = stages.plan(made.file, scope, made.target, made.standing)
    return [plan.stages[index].stage for index in plan.needed()]


def read(tree: Tree, path: str) -> bytes:
    """The bytes of the Dockerfile in a context; the usual name may be all small. Raises InvalidArgument, NotFound."""
    entry = tree.find(follow(tree, os.fsencode(path)))
    if entry is None and path == DOCKERFILE:
        entry = tree.find(follow(tree, os.fsencode(path.lower())))
    if entry is None:
        raise NotFound(f"Cannot locate specified Dockerfile: {path}")
    if entry.kind != REGULAR or entry.size > file.SIZE_LIMIT:
        raise InvalidArgument(f"the Dockerfile {path} must be a file of at most {file.SIZE_LIMIT} bytes")
    return b"".join(bytes(piece) for piece in tree.data(entry))


def _ignored(tree: Tree, dockerfile: str) -> ignore.Ignored | None:
    """What ``<Dockerfile>.dockerignore``, else ``.dockerignore``, leaves out."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        entry = tree.find(os.fsencode(name))
        if entry is not None and entry.kind == REGULAR and entry.size <= file.SIZE_LIMIT:
            return ignore.Ignored(ignore.parse(b"".join(bytes(piece) for piece in tree.data(entry))))
    return None


def _hidden(asked: Asked, ignored: ignore.Ignored) -> Callable[[str], bool] | None:
    """What of a context counts as absent: the client has left out all else that it wanted to, but had to send these.
    Of one from elsewhere BuildKit leaves out nothing."""
    if asked.remote and asked.style == "buildkit":
        return None
    own = (asked.dockerfile, f"{asked.dockerfile}.dockerignore", ".dockerignore")
    return lambda path: path in own and path in ignored
