"""What ADD gets from elsewhere, and the archives it unpacks: see Fetcher of carrack.engine.build.doing.

Files are fetched by the standard library in a thread, over HTTP and HTTPS only. Repositories are fetched by the git
program, which reads no configuration but ours, asks nobody anything, runs no hook and speaks no other protocol.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import http.client
import os
import posixpath
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from carrack.engine.build import copying, giturl
from carrack.engine.build.copying import Fetched, Gathered
from carrack.engine.whole import whole
from carrack.errors import InvalidArgument, NotSupported, Unavailable
from carrack.linux.resolve import BENEATH_NO_SYMLINKS
from carrack.linux.syscalls import LINUX
from carrack.registry import proxies
from carrack.registry.origin import Origin
from carrack.storage import tarheader
from carrack.storage.compression import PLAIN, Decompressed
from carrack.storage.tarheader import REGULAR, TarEntry, TarError
from carrack.storage.trees.base import Tree
from carrack.storage.trees.folder import FolderTree
from carrack.storage.trees.single import SingleTree
from carrack.storage.trees.tarred import TarTree, receive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carrack.engine.build.request import Request
    from carrack.engine.build.steps import CopyStep
    from carrack.storage.content import ContentStore, Ingest

Moved = Callable[[str, int, int], None]
_PIECE = 1 << 18
_MOST = 64 << 30
_PATIENCE = 60.0
_GIT = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false", "GIT_ALLOW_PROTOCOL": ":".join(giturl.PROTOCOLS), "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C.UTF-8",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
}  # fmt: skip


class Fetches:
    """See Fetcher. ``room``: where repositories are checked out for the time of a build; ``proxies``: the daemon's
    own, as RegistrySettings has them."""

    def __init__(self, content: ContentStore, room: Path, proxies: Mapping[str, str]) -> None:
        self._content = content
        self._room = room
        self._proxies = proxies

    def sweep(self) -> None:
        """Remove what a daemon that died has left."""
        shutil.rmtree(self._room, ignore_errors=True)

    @asynccontextmanager
    async def open(self, step: CopyStep, request: Request, moved: Moved) -> AsyncIterator[dict[str, Fetched]]:
        """See Fetcher."""
        found: dict[str, Fetched] = {}
        async with AsyncExitStack() as held:
            for source in step.sources if step.remote else ():
                if giturl.is_git(source):
                    found[source] = await self._repository(source, step, held)
                elif source.startswith(("http://", "https://")):
                    found[source] = await self._file(source, step, moved, held)
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
                        archive = await whole(asyncio.to_thread(self._archive, tree, entry))
                        if archive is not None:
                            opened.append(archive)
                            gathered.archives[id(entry)] = archive
            yield
        finally:
            for each in opened:
                each.close()

    def _archive(self, tree: Tree, entry: TarEntry) -> TarTree | None:
        """The tree of a file that is an archive, else None. Raises TarError for one that is damaged further on."""
        stream = Decompressed(_Pieces(tree.data(entry)))
        first = memoryview(bytearray(tarheader.BLOCK))
        if not _is_tar(stream, first):
            return None
        return receive(_Behind(bytes(first), stream), self._content.ingest())

    async def _file(self, url: str, step: CopyStep, moved: Moved, held: AsyncExitStack) -> Fetched:
        spool = self._content.ingest()
        held.callback(spool.discard)
        loop = asyncio.get_running_loop()

        def told(current: int, total: int) -> None:
            loop.call_soon_threadsafe(moved, url, current, total)

        entry, digest = await whole(asyncio.to_thread(self._fetch, url, spool, told))
        if step.checksum and step.checksum != f"sha256:{digest.hex()}":
            raise InvalidArgument(f"digest mismatch sha256:{digest.hex()}: {step.checksum} was expected of {url}")
        tree = SingleTree(entry, spool, digest)
        held.callback(tree.close)
        return Fetched(tree)

    def _fetch(self, url: str, spool: Ingest, told: Callable[[int, int], None]) -> tuple[TarEntry, bytes]:
        with _opened(url, self._proxies) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            hashed = hashlib.sha256()
            count = 0
            while piece := answer.read(_PIECE):
                count += len(piece)
                if count > _MOST:
                    raise InvalidArgument(f"{url} is larger than the limit of {_MOST} bytes")
                spool.write(piece)
                hashed.update(piece)
                told(count, total)
            if total and count != total:
                raise Unavailable(f"{url}: the connection broke after {count} of {total} bytes; try again")
        spool.finish()
        entry = TarEntry(_name(url, answer.headers), REGULAR, 0o600)
        entry.size = count
        entry.mtime = _moment(answer.headers.get("Last-Modified"))
        return entry, hashed.digest()

    async def _repository(self, source: str, step: CopyStep, held: AsyncExitStack) -> Fetched:
        wanted = giturl.parse(source)
        checksum = step.checksum or wanted.checksum
        place = await asyncio.to_thread(self._new_room)
        held.push_async_callback(asyncio.to_thread, shutil.rmtree, place, ignore_errors=True)
        commit = await _check_out(wanted, place)
        if checksum and not commit.startswith(checksum.removeprefix("sha1:")):
            raise InvalidArgument(f"{source}: the commit is {commit}, {checksum} was expected")
        if not (wanted.keep or step.keep_git_dir):
            await asyncio.to_thread(shutil.rmtree, place / ".git")
        tree = await asyncio.to_thread(_tree, place, wanted.folder)
        held.callback(tree.close)
        return Fetched(tree, whole=True)

    def _new_room(self) -> Path:
        self._room.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="git-", dir=self._room))


async def _check_out(wanted: giturl.GitSource, place: Path) -> str:
    """Fetch one commit without its history; returns it."""
    if shutil.which("git") is None:
        raise NotSupported(f"{wanted.url}: install git on the daemon's machine to build from repositories")
    safe = ["-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=never", "-c", "core.fsmonitor=false"]
    await _git(place, *safe, "init", "-q", "--template=")
    await _git(place, *safe, "fetch", "-q", "--depth=1", "--no-tags", "--", wanted.url, wanted.ref or "HEAD")
    await _git(place, *safe, "checkout", "-q", "--detach", "FETCH_HEAD")
    return (await _git(place, *safe, "rev-parse", "HEAD")).strip()


async def _git(place: Path, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "git", *words, cwd=place, env={**_GIT, "HOME": str(place), "PATH": os.defpath},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, told = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        what = next(word for word in words if not word.startswith("-") and "=" not in word)
        raise InvalidArgument(f"git {what} failed: {told.decode(errors='replace').strip()[-500:]}")
    return out.decode()


def _tree(place: Path, folder: str) -> FolderTree:
    top = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if not folder:
        return FolderTree(LINUX, top)
    try:
        inside = LINUX.openat2(top, folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, BENEATH_NO_SYMLINKS)
    except OSError as error:
        raise InvalidArgument(f"the folder {folder!r} is not in the repository: {error.strerror}") from error
    finally:
        os.close(top)
    return FolderTree(LINUX, inside)


@contextmanager
def _opened(url: str, settings: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
    parts = urlsplit(url)
    origin = Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    through = proxies.choose(settings, origin)
    used = {parts.scheme: settings[f"{parts.scheme}_proxy"]} if through is not None else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(used), _Redirects())
    try:
        with opener.open(urllib.request.Request(url, headers={"User-Agent": "carrack"}), timeout=_PATIENCE) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        error.close()
        raise InvalidArgument(f"{url}: the server answered {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(f"{url} could not be fetched: {reason}") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Leads to HTTP and HTTPS only; the library would follow to FTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith(("http://", "https://")):
            fp.close()
            raise urllib.error.URLError(f"it leads to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _name(url: str, headers: Any) -> bytes:
    given = headers.get_filename() if hasattr(headers, "get_filename") else None
    name = posixpath.basename(given or unquote(urlsplit(url).path).rstrip("/"))
    if not name or name in (".", "..") or "\0" in name or len(name) > 255:
        raise InvalidArgument(f"{url}: cannot tell a file's name from it; give one as the destination")
    return os.fsencode(name)


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
