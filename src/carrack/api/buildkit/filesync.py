"""Files of the client, fetched over its session: fsutil's protocol, in which the client lists and we ask.

The client lists all there is (``STAT``), we ask for the files whose bytes we want (``REQ``), it sends them (``DATA``,
interleaved), and both say that they are done (``FIN``). Nothing it says is believed as a path: names are relative, come
in order, and lie in folders that were listed before them (CVE-2026-33747).
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any

from carrack.api.buildkit.messages import PACKET
from carrack.errors import InvalidArgument
from carrack.storage.tarheader import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    REGULAR,
    SYMLINK,
    TarEntry,
    permitted_xattr,
)
from carrack.storage.trees.tarred import TarTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.api.buildkit.sessions import Session
    from carrack.storage.content import ContentStore

PATH = "/moby.filesync.v1.FileSync/DiffCopy"
STAT, REQ, DATA, FIN, ERR = range(5)
_MOST = 1_000_000
_AT_ONCE = 64
_SMALL = 1 << 18
# Go's os.FileMode
_FOLDER, _LINK, _DEVICE, _PIPE, _SOCKET = 1 << 31, 1 << 27, 1 << 26, 1 << 25, 1 << 24
_SETUID, _SETGID, _CHARACTER, _STICKY = 1 << 23, 1 << 22, 1 << 21, 1 << 20


async def receive(
    session: Session,
    content: ContentStore,
    name: str,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    follow: Sequence[str] = (),
) -> TarTree:
    """The files of one of the client's folders: ``context``, ``dockerfile``, or a named one. Raises InvalidArgument for
    what breaks the protocol, Failed for what the client says."""
    metadata = [("dir-name", name), ("override-excludes", "true")]
    metadata += [("include-patterns", pattern) for pattern in include]
    metadata += [("exclude-patterns", pattern) for pattern in exclude]
    metadata += [("followpaths", path) for path in follow]
    tree = TarTree(content.ingest())
    try:
        async with session.caller.open(PATH, PACKET, PACKET, metadata) as call:
            await _Receiver(call, tree).run()
        return tree
    except BaseException:
        tree.close()
        raise


class _Receiver:
    def __init__(self, call: Any, tree: TarTree) -> None:
        self._call = call
        self._tree = tree
        self._wanted: deque[tuple[int, TarEntry]] = deque()
        self._asked: dict[int, tuple[TarEntry, bytearray]] = {}
        self._listed = False
        self._count = 0
        self._last: list[bytes] = []
        self._large = hashlib.sha256()

    async def run(self) -> None:
        await self._call.send_request()
        while not (self._listed and not self._wanted and not self._asked):
            packet = await self._next()
            if packet["type"] == STAT:
                self._list(packet["stat"])
            elif packet["type"] == DATA:
                self._take(packet["ID"], packet["data"])
            else:
                raise InvalidArgument(f"the client sent a packet of type {packet['type']} among its files")
            await self._ask()
        await self._call.send_message({"type": FIN}, end=True)
        while (await self._next())["type"] != FIN:
            pass
        self._tree.finish()

    async def _next(self) -> dict[str, Any]:
        packet: dict[str, Any] | None = await self._call.recv_message()
        if packet is None:
            raise InvalidArgument("the client ended before it had sent its files")
        if packet["type"] == ERR:
            raise InvalidArgument(f"error from sender: {packet['data'].decode(errors='replace')}")
        return packet

    def _list(self, stat: dict[str, Any] | None) -> None:
        if stat is None or not stat["path"]:
            self._listed = True
            return
        number, self._count = self._count, self._count + 1
        if self._listed or number >= _MOST:
            raise InvalidArgument("the client lists more files than it may")
        entry = self._entry(stat)
        if entry is None:
            return
        if entry.kind == REGULAR and entry.size and not stat["linkname"]:
            self._wanted.append((number, entry))
        elif entry.kind == REGULAR and not stat["linkname"]:
            self._tree.append(entry, b"", hashlib.sha256().digest())
        elif entry.kind == REGULAR:
            entry.kind, entry.link = b"1", stat["linkname"].encode("utf-8", "surrogateescape")
            self._later(entry)
        else:
            self._tree.put(entry)

    def _later(self, entry: TarEntry) -> None:
        self._tree.links.append(entry)

    def _entry(self, stat: dict[str, Any]) -> TarEntry | None:
        path = stat["path"].encode("utf-8", "surrogateescape")
        parts = path.split(b"/")
        if b"" in parts or b"." in parts or b".." in parts or b"\0" in path or parts <= self._last:
            raise InvalidArgument(f"the client lists {stat['path'][:200]!r} where it cannot be")
        self._last = parts
        above = self._tree.find(path.rpartition(b"/")[0])
        if above is None or above.kind != DIRECTORY:
            raise InvalidArgument(f"the client lists {stat['path'][:200]!r} in what is no folder")
        mode = stat["mode"]
        kind = _kind(mode)
        if kind is None:
            return None
        entry = TarEntry(path, kind, _permissions(mode))
        entry.mtime, entry.mtime_ns = divmod(stat["mod_time"], 1_000_000_000)
        if kind == REGULAR:
            entry.size = stat["size"]
            if not 0 <= entry.size < 1 << 62:
                raise InvalidArgument(f"the client lists {stat['path'][:200]!r} with {entry.size} bytes")
        elif kind == SYMLINK:
            entry.link = stat["linkname"].encode("utf-8", "surrogateescape")
        elif kind in (CHARACTER, BLOCK_DEVICE):
            entry.major, entry.minor = stat["devmajor"], stat["devminor"]
        names = {key.encode(): value for key, value in stat["xattrs"].items()}
        entry.xattrs = {key: value for key, value in names.items() if permitted_xattr(key)} or None
        return entry

    async def _ask(self) -> None:
        """Ask for some files more; for a large one alone, since what comes of several is interleaved."""
        while self._wanted and len(self._asked) < _AT_ONCE:
            large = self._wanted[0][1].size > _SMALL
            if self._asked and (large or any(entry.size > _SMALL for entry, _ in self._asked.values())):
                return
            number, entry = self._wanted.popleft()
            self._asked[number] = (entry, bytearray())
            await self._call.send_message({"type": REQ, "ID": number})

    def _take(self, number: int, data: bytes) -> None:
        if number not in self._asked:
            raise InvalidArgument("the client sends a file that it was not asked for")
        entry, held = self._asked[number]
        if entry.size > _SMALL:
            self._take_large(number, entry, data)
            return
        if data:
            held += data
            if len(held) > _SMALL * 4:
                raise InvalidArgument(f"{entry.path!r} grew while it was being sent")
            return
        del self._asked[number]
        entry.size = len(held)
        self._tree.append(entry, held, hashlib.sha256(held).digest())

    def _take_large(self, number: int, entry: TarEntry, data: bytes) -> None:
        """A file that comes alone is written as it comes."""
        if data:
            self._tree.extend(data)
            self._large.update(data)
            return
        del self._asked[number]
        self._tree.close_file(entry, self._large.digest())
        self._large = hashlib.sha256()


def _kind(mode: int) -> bytes | None:
    for bit, kind in ((_FOLDER, DIRECTORY), (_LINK, SYMLINK), (_PIPE, FIFO), (_SOCKET, None)):
        if mode & bit:
            return kind
    if mode & _DEVICE:
        return CHARACTER if mode & _CHARACTER else BLOCK_DEVICE
    return REGULAR


def _permissions(mode: int) -> int:
    found = mode & 0o777
    for bit, own in ((_SETUID, 0o4000), (_SETGID, 0o2000), (_STICKY, 0o1000)):
        found |= own if mode & bit else 0
    return found
