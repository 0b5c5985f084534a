"""What comes from elsewhere, for ADD and as contexts, and archives in it: see Fetcher of carrack.engine.build.doing.

Files are fetched by the standard library in a thread, over HTTP and HTTPS only; repositories as `checkout` does.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import http.client
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carrack.engine import pump
from carrack.engine.build import copying, download, filenames, giturl, policies
from carrack.engine.build.checkout import Checkouts
from carrack.engine.build.copying import Fetched, Gathered
from carrack.engine.build.download import Line
from carrack.engine.build.judging import judged
from carrack.engine.whole import ended, whole
from carrack.errors import InvalidArgument, Unavailable
from carrack.storage import tarheader
from carrack.storage.compression import PLAIN, Decompressed
from carrack.storage.tarheader import REGULAR, TarEntry, TarError
from carrack.storage.trees.base import Tree
from carrack.storage.trees.single import SingleTree
from carrack.storage.trees.tarred import TarTree, receive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carrack.engine.build.policies import Policy
    from carrack.engine.build.progress import Said
    from carrack.engine.build.request import Agents, Request
    from carrack.engine.build.steps import CopyStep
    from carrack.storage.content import ContentStore, Ingest
    from carrack.storage.tar import ByteSource

Moved = Callable[[str, int, int], None]
_PIECE = 1 << 18
_MOST = 64 << 30
CONTEXT = b"context"  # as BuildKit calls what it has fetched
_LOOK = 512  # bytes that tell text from what is none


@dataclass(frozen=True, slots=True)
class Remote:
    """What lay elsewhere: its files, and if it was a Dockerfile and nothing else, the name of that."""

    tree: Tree
    dockerfile: str = ""


class Fetches:
    """See Fetcher. ``room``: where repositories are checked out for the time of a build; ``proxies``: the daemon's
    own, as RegistrySettings has them."""

    def __init__(self, content: ContentStore, room: Path, proxies: Mapping[str, str]) -> None:
        self._content = content
        self._checkouts = Checkouts(room, proxies)
        self._proxies = proxies

    def sweep(self) -> None:
        """Remove what a daemon that died has left."""
        self._checkouts.sweep()

    @asynccontextmanager
    async def open(
        self, step: CopyStep, request: Request, moved: Moved, said: Said
    ) -> AsyncIterator[dict[str, Fetched]]:
        """See Fetcher."""
        found: dict[str, Fetched] = {}
        async with AsyncExitStack() as held:
            for source in step.sources if step.remote else ():
                if giturl.is_git(source):
                    found[source] = await self._repository(source, step, request, held, said)
                elif source.startswith(("http://", "https://")):
                    url, checksum = await judged(
                        request.policy, partial(policies.Policy.file, url=source, checksum=step.checksum)
                    )
                    named = _naming(source, step, request)
                    found[source] = Fetched(await self._file(url, moved, held, checksum, named))
            if step.checksum and not found:
                raise InvalidArgument("checksum can't be specified for files of the build context")
            yield found

    @asynccontextmanager
    async def archives(self, gathered: Gathered, extract: bool | None) -> AsyncIterator[None]:
        """See Fetcher. By default archives of the context are unpacked, and those from elsewhere are not."""
        opened: list[TarTree] = []
        try:
            if extract is not False:
                for tree, entry in list(copying.single_files(gathered)):
                    elsewhere = isinstance(tree, SingleTree)
                    if extract or not elsewhere:
                        archive = await whole(asyncio.to_thread(self._archive, tree, entry, opened))
                        if archive is not None:
                            gathered.archives[id(entry)] = archive
            yield
        finally:
            for each in opened:
                each.close()

    def _archive(self, tree: Tree, entry: TarEntry, opened: list[TarTree]) -> TarTree | None:
        """The tree of a file that is an archive, else None. Raises TarError for one that is damaged further on. It is
        among those that are opened, to be closed even when nobody waits for it any more."""
        stream = Decompressed(_Pieces(tree.data(entry)))
        first = memoryview(bytearray(tarheader.BLOCK))
        if not _is_tar(stream, first):
            return None
        archive = receive(_Behind(bytes(first), stream), self._content.ingest())
        opened.append(archive)
        return archive

    async def remote(
        self,
        source: str,
        agents: Agents,
        held: AsyncExitStack,
        *,
        unpack: bool = True,
        keep_git_dir: bool = False,
        moved: Moved = lambda *_: None,
        said: Said = lambda _: None,
        policy: Policy = policies.ALL,
    ) -> Remote:
        """See Fetcher."""
        if source.startswith(giturl.GITHUB) or giturl.is_git(source):
            wanted = giturl.parse(source)
            kept = bool(wanted.keep) or keep_git_dir
            wanted, keep = await judged(policy, lambda policy: policy.repository(wanted, kept))
            tree, _ = await self._checkouts.open(wanted, keep, agents, held, said)
            return Remote(tree)
        if not source.startswith(("http://", "https://")):
            raise InvalidArgument(f"{source}: neither a URL (http, https) nor a git repository")
        url, checksum = await judged(policy, lambda policy: policy.file(source))
        if not unpack:
            return Remote(await self._file(url, moved, held, checksum, partial(filenames.of_context, url)))
        return await self._context(await self._file(url, moved, held, checksum, lambda _: CONTEXT), source, held)

    async def sent(self, pieces: AsyncIterator[bytes], held: AsyncExitStack) -> Remote:
        """See Fetcher."""
        spool = self._content.ingest()
        held.callback(spool.discard)
        name = "the context that was sent"
        entry, digest = await pump.consume(pieces, lambda source: _spooled(source, spool, CONTEXT, name))
        tree = SingleTree(entry, spool, digest)
        held.callback(tree.close)
        return await self._context(tree, name, held)

    async def _context(self, file: SingleTree, name: str, held: AsyncExitStack) -> Remote:
        """A file as a context: what is in the archive that it is, or the Dockerfile that it is."""
        entry = file.find(CONTEXT)
        assert entry is not None
        opened: list[TarTree] = []
        try:
            archive = await whole(asyncio.to_thread(self._archive, file, entry, opened))
        finally:
            for each in opened:
                held.callback(each.close)
        if archive is not None:
            return Remote(archive)
        if b"\0" in bytes(next(file.data(entry), b""))[:_LOOK]:
            raise InvalidArgument(f"{name} is neither an archive that can be unpacked nor a Dockerfile")
        return Remote(file, os.fsdecode(CONTEXT))

    async def _file(
        self, url: str, moved: Moved, held: AsyncExitStack, checksum: str, named: Callable[[Any], bytes]
    ) -> SingleTree:
        spool = self._content.ingest()
        held.callback(spool.discard)
        loop = asyncio.get_running_loop()

        def told(current: int, total: int) -> None:
            loop.call_soon_threadsafe(moved, url, current, total)

        with Line() as line:
            work = pump.in_own_thread(lambda: self._fetch(url, spool, told, named, line))
            try:
                entry, digest = await asyncio.shield(work)
            except asyncio.CancelledError:
                line.cut()
                await ended(work)
                work.exception()  # looked at, for the cancellation goes before it
                raise
        if checksum and checksum != f"sha256:{digest.hex()}":
            raise InvalidArgument(f"digest mismatch sha256:{digest.hex()}: {checksum} was expected of {url}")
        tree = SingleTree(entry, spool, digest)
        held.callback(tree.close)
        return tree

    def _fetch(
        self, url: str, spool: Ingest, told: Callable[[int, int], None], named: Callable[[Any], bytes], line: Line
    ) -> tuple[TarEntry, bytes]:
        with download.opened(url, self._proxies, line) as answer:
            total = answer.length or 0
            name = named(answer.headers)
            entry, digest = _spooled(_Coming(answer), spool, name, url, lambda count: told(count, total))
            if total and entry.size != total:
                raise Unavailable(f"{url}: the connection broke after {entry.size} of {total} bytes; try again")
            entry.mtime = _moment(answer.headers.get("Last-Modified"))
            return entry, digest

    async def _repository(
        self, source: str, step: CopyStep, request: Request, held: AsyncExitStack, said: Said
    ) -> Fetched:
        wanted = giturl.parse(source)
        if step.checksum:
            wanted = replace(wanted, checksum=step.checksum.removeprefix("sha1:"))
        kept = bool(wanted.keep) or step.keep_git_dir
        wanted, keep = await judged(request.policy, lambda policy: policy.repository(wanted, kept))
        tree, commit = await self._checkouts.open(wanted, keep, request.agents, held, said)
        return Fetched(tree, whole=True, digest=f"sha1:{commit}")


def _spooled(
    source: ByteSource, spool: Ingest, path: bytes, name: str, told: Callable[[int], None] = lambda _: None
) -> tuple[TarEntry, bytes]:
    """A file of all that comes, and its sha256. ``name``: what to call it in errors."""
    entry, hashed = TarEntry(path, REGULAR, 0o600), hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE))
    while count := source.readinto(buffer) or 0:
        entry.size += count
        if entry.size > _MOST:
            raise InvalidArgument(f"{name} is larger than the limit of {_MOST} bytes")
        spool.write(buffer[:count])
        hashed.update(buffer[:count])
        told(entry.size)
    spool.finish()
    return entry, hashed.digest()


def _naming(source: str, step: CopyStep, request: Request) -> Callable[[Any], bytes]:
    """How the name of an address's file is told of the server's headers; by what was written, whatever a policy made of
    it."""
    if request.style == "classic":
        return lambda headers: filenames.of_classic(source, headers, step.destination.endswith("/"))
    name = filenames.of_address(source)
    return lambda _: name


def _moment(text: str | None) -> int:
    try:
        return max(0, int(email.utils.parsedate_to_datetime(text).timestamp())) if text else 0
    except (ValueError, TypeError, OverflowError):
        return 0


def _is_tar(stream: Decompressed, first: memoryview) -> bool:
    try:
        filled = 0
        while filled < len(first) and (count := stream.readinto(first[filled:])):
            filled += count
        if filled < len(first) or not any(first):
            return False
        tarheader.parse_header(bytes(first))
    except (TarError, InvalidArgument):
        return False
    return stream.kind != PLAIN or bytes(first[257:262]) == b"ustar"


class _Coming:
    """What a server sends, as it comes: a read of the library's own waits until all that was asked for is there."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer

    def readinto(self, buffer: memoryview, /) -> int:
        piece = self._answer.read1(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Pieces:
    """Pieces of bytes as a source."""

    def __init__(self, pieces: Iterator[bytes | memoryview]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Behind:
    """Bytes that were read already, and the stream that they were read from."""

    def __init__(self, first: bytes, stream: Decompressed) -> None:
        self._first = memoryview(first)
        self._stream = stream

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._first:
            return self._stream.readinto(buffer)
        count = min(len(buffer), len(self._first))
        buffer[:count] = self._first[:count]
        self._first = self._first[count:]
        return count
