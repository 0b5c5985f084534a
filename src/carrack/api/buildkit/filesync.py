"""Files of the client, fetched over its session: fsutil's protocol, in which the client lists and we ask.

The client lists all there is (``STAT``), we ask for the files whose bytes we want (``REQ``), it sends them (``DATA``,
interleaved), and both say that they are done (``FIN``). Nothing it says is believed as a path: names are relative, come
in order, and lie in folders that were listed before them (CVE-2026-33747).

A folder whose client has a name for it (``shared``) is kept for its next build, which has to send only the files that
are listed otherwise than the last time; that list has size and time, and no more.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from carrack.api.buildkit.messages import RAW_PACKET, STAT_FIELDS
from carrack.errors import InvalidArgument
from carrack.http import protobuf
from carrack.storage.tarheader import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    REGULAR,
    SYMLINK,
    permitted_xattr,
)
from carrack.storage.trees.kept import KeptEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.api.buildkit.sessions import Session
    from carrack.engine.build.contexts import Contexts
    from carrack.http.bulk import Bulk
    from carrack.storage.trees.kept import KeptTree, TreeMaker

PATH = "/moby.filesync.v1.FileSync/DiffCopy"
STAT, REQ, DATA, FIN, ERR = range(5)
_MOST, _MOST_SAID = 1_000_000, 512 << 20  # files, and bytes that the list of them may have
_AT_ONCE = 256
_SMALL = 1 << 18
_COARSE, _FINE = 2_000_000_000, 100_000_000  # ns that a file must have been left alone for, by how exact its clock is
# Go's os.FileMode
_FOLDER, _LINK, _DEVICE, _PIPE, _SOCKET = 1 << 31, 1 << 27, 1 << 26, 1 << 25, 1 << 24
_SETUID, _SETGID, _CHARACTER, _STICKY = 1 << 23, 1 << 22, 1 << 21, 1 << 20


async def receive(
    session: Session,
    contexts: Contexts,
    name: str,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    follow: Sequence[str] = (),
) -> KeptTree:
    """The files of one of the client's folders: ``context``, ``dockerfile``, or a named one. Raises InvalidArgument for
    what breaks the protocol, Failed for what the client says."""
    metadata = [*_said("dir-name", [name]), ("override-excludes", "true"), *_said("include-patterns", include)]
    metadata += [*_said("exclude-patterns", exclude), *_said("followpaths", follow)]
    key = f"{session.shared} {name}" if session.shared else ""
    maker = contexts.maker(key)
    try:
        async with session.caller.bulk(PATH, metadata) as call:
            await _Receiver(call, maker).run()
        tree = maker.finish()
    except BaseException:
        maker.discard()
        raise
    contexts.keep(key, f"local source for {name}", tree)
    return tree


class _Receiver:
    def __init__(self, call: Bulk, maker: TreeMaker) -> None:
        self._call = call
        self._maker = maker
        self._wanted: deque[tuple[int, KeptEntry]] = deque()
        self._asked: dict[int, tuple[KeptEntry, bytearray]] = {}
        self._listed = self._ended = False
        self._large = False
        self._count = self._said = 0
        self._now = time.time_ns()

    async def run(self) -> None:
        await self._call.begin()
        while not self._done():
            await self._next()
            await self._ask()
        await self._call.send([protobuf.encode({"type": FIN}, RAW_PACKET)], end=True)
        while not self._ended:
            await self._next()

    def _done(self) -> bool:
        return self._listed and not self._wanted and not self._asked

    async def _next(self) -> None:
        messages = await self._call.receive()
        if not messages:
            raise InvalidArgument("the client ended before it had sent its files")
        for message in messages:
            packet = protobuf.decode(message, RAW_PACKET)
            kind = packet["type"]
            if kind == STAT:
                self._list(packet["stat"])
            elif kind == DATA:
                self._take(packet["ID"], packet["data"])
            elif kind == FIN and self._done():
                self._ended = True
            elif kind == ERR:
                raise InvalidArgument(f"error from sender: {packet['data'].decode(errors='replace')}")
            else:
                raise InvalidArgument(f"the client sent a packet of type {kind} among its files")

    def _list(self, raw: bytes | None) -> None:
        if not raw:
            self._listed = True
            return
        number, self._count = self._count, self._count + 1
        self._said += len(raw)
        if self._listed or number >= _MOST or self._said > _MOST_SAID:
            raise InvalidArgument("the client lists more files than it may")
        if self._maker.taken(_path(raw), raw):
            return
        stat = protobuf.decode(raw, STAT_FIELDS)
        entry = self._entry(stat, raw)
        if entry is None:
            return
        if entry.kind == REGULAR and stat["linkname"]:
            entry.mark = b""
            self._maker.link(entry, stat["linkname"].encode("utf-8", "surrogateescape"))
            return
        self._maker.add(entry)
        if entry.kind == REGULAR and entry.size:
            self._wanted.append((number, entry))

    def _entry(self, stat: dict[str, Any], raw: bytes) -> KeptEntry | None:
        path = stat["path"].encode("utf-8", "surrogateescape")
        above = self._maker.has(path.rpartition(b"/")[0])
        if above is None or above.kind != DIRECTORY:
            raise InvalidArgument(f"the client lists {stat['path'][:200]!r} in what is no folder")
        mode, changed = stat["mode"], stat["mod_time"]
        kind = _kind(mode)
        if kind is None:
            return None
        sure = changed + (_FINE if changed % 1_000_000 else _COARSE) < self._now
        entry = KeptEntry(path, kind, _permissions(mode), raw if sure else b"")
        entry.mtime, entry.mtime_ns = divmod(changed, 1_000_000_000)
        if kind == REGULAR:
            entry.size = stat["size"]
            if not 0 <= entry.size < 1 << 62:
                raise InvalidArgument(f"the client lists {stat['path'][:200]!r} with {entry.size} bytes")
        elif kind == SYMLINK:
            entry.link = stat["linkname"].encode("utf-8", "surrogateescape")
        elif kind in (CHARACTER, BLOCK_DEVICE):
            entry.major, entry.minor = stat["devmajor"], stat["devminor"]
        names = {key.encode("utf-8", "surrogateescape"): value for key, value in stat["xattrs"].items()}
        entry.xattrs = {key: value for key, value in names.items() if permitted_xattr(key)} or None
        return entry

    async def _ask(self) -> None:
        """Ask for some files more; for a large one alone, since what comes of several is interleaved."""
        asks = []
        while self._wanted and len(self._asked) < _AT_ONCE and not self._large:
            large = self._wanted[0][1].size > _SMALL
            if self._asked and large:
                break
            number, entry = self._wanted.popleft()
            self._asked[number] = (entry, bytearray())
            asks.append(protobuf.encode({"type": REQ, "ID": number}, RAW_PACKET))
            if large:
                self._large = True
                self._maker.begin(entry)
        if asks:
            await self._call.send(asks)

    def _take(self, number: int, data: bytes) -> None:
        if number not in self._asked:
            raise InvalidArgument("the client sends a file that it was not asked for")
        entry, held = self._asked[number]
        if self._large:
            if data:
                self._maker.more(data)
                return
            self._large = False
            self._maker.end()
        elif data:
            held += data
            if len(held) > _SMALL * 4:
                raise InvalidArgument(f"{entry.path!r} grew while it was being sent")
            return
        else:
            self._maker.fill(entry, held)
        del self._asked[number]


def _said(key: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """What goes to the client in headers, which hold ASCII alone: otherwise all of them are encoded, and it is told."""
    values = [value for value in values if value]
    if all(value.isascii() and value.isprintable() for value in values):
        return [(key, value) for value in values]
    encoded = [quote_plus(value, errors="surrogateescape") for value in values]
    return [*((key, value) for value in encoded), (f"{key}-encoded", "1")]


def _path(raw: bytes) -> bytes:
    """The path of a line of the list, which every known client writes first; "" for another's."""
    if raw[:1] != b"\n" or len(raw) < 3:
        return b""
    size, at = raw[1], 2
    if size > 0x7F:
        size, at = size & 0x7F | raw[2] << 7, 3
    return raw[at : at + size]


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
