"""What a build gives, sent to the client over its session: one file, or files by fsutil's protocol (we list, the client
asks for what it wants, both say that they are done)."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Any

from carrack.api.buildkit.filesync import DATA, ERR, FIN, REQ, STAT
from carrack.api.buildkit.messages import BYTES, PACKET
from carrack.errors import InvalidArgument
from carrack.storage.archive import go_mode
from carrack.storage.tarheader import BLOCK_DEVICE, CHARACTER, DIRECTORY, FIFO, REGULAR, SYMLINK
from carrack.storage.trees.base import walk

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from carrack.api.buildkit.sessions import Session
    from carrack.storage.tarheader import TarEntry
    from carrack.storage.trees.base import Tree

PATH = "/moby.filesync.v1.FileSend/DiffCopy"
_EXPORTER = "buildkit-attachable-exporter-id"
_PIECE = 1 << 20
_BATCH = 256
_KINDS = {
    REGULAR: 0o100000, DIRECTORY: 0o040000, SYMLINK: 0o120000, FIFO: 0o010000, CHARACTER: 0o020000,
    BLOCK_DEVICE: 0o060000,
}  # fmt: skip


async def send_file(session: Session, exporter: int, chunks: AsyncIterable[bytes]) -> None:
    """One file for the exporter of that number. Raises Failed for what the client has against it."""
    async with session.caller.open(PATH, BYTES, BYTES, [(_EXPORTER, str(exporter))]) as call:
        await call.send_request()
        async for chunk in chunks:
            await call.send_message({"data": chunk})
        await call.end()
        while await call.recv_message() is not None:
            pass


async def send_tree(session: Session, exporter: int, tree: Tree, newest: int | None = None) -> None:
    """Files for the exporter of that number; none of a time after ``newest`` (seconds since 1970). Raises Failed, and
    InvalidArgument for what breaks the protocol."""
    async with session.caller.open(PATH, PACKET, PACKET, [(_EXPORTER, str(exporter))]) as call:
        await call.send_request()
        files = await _list(call, tree, newest)
        while (packet := await call.recv_message()) is not None:
            if packet["type"] == FIN:
                await call.send_message({"type": FIN}, end=True)
                while await call.recv_message() is not None:
                    pass
                return
            if packet["type"] == ERR:
                raise InvalidArgument(f"error from receiver: {packet['data'].decode(errors='replace')}")
            entry = files.pop(packet["ID"], None) if packet["type"] == REQ else None
            if entry is None:
                raise InvalidArgument("the client asks for a file that there is not")
            await _send(call, tree, packet["ID"], entry)
        raise InvalidArgument("the client ended before it had all files")


async def _list(call: Any, tree: Tree, newest: int | None) -> dict[int, TarEntry]:
    """Tell the client all there is; returns by number what it may ask for."""
    files: dict[int, TarEntry] = {}
    entries, count = walk(tree, b""), 0
    while batch := await asyncio.to_thread(lambda: list(islice(entries, _BATCH))):
        for entry in batch:
            await call.send_message({"type": STAT, "stat": _stat(entry, newest)})
            if entry.kind == REGULAR:
                files[count] = entry
            count += 1
    await call.send_message({"type": STAT})
    return files


async def _send(call: Any, tree: Tree, number: int, entry: TarEntry) -> None:
    pieces, left = tree.data(entry), entry.size
    while left > 0 and (data := await asyncio.to_thread(lambda: _take(pieces))):
        await call.send_message({"type": DATA, "ID": number, "data": data})
        left -= len(data)
    await call.send_message({"type": DATA, "ID": number})


def _take(pieces: Any) -> bytes:
    """The next bytes, small pieces put together; none at the end."""
    taken = bytearray()
    while len(taken) < _PIECE and (piece := next(pieces, None)) is not None:
        taken += piece
    return bytes(taken)


def _stat(entry: TarEntry, newest: int | None) -> dict[str, Any]:
    time = entry.mtime * 1_000_000_000 + entry.mtime_ns
    return {
        "path": entry.path.decode("utf-8", "surrogateescape"),
        "mode": go_mode(_KINDS[entry.kind] | entry.mode),
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "mod_time": time if newest is None else min(time, newest * 1_000_000_000),
        "linkname": entry.link.decode("utf-8", "surrogateescape"),
        "devmajor": entry.major,
        "devminor": entry.minor,
        "xattrs": {name.decode("utf-8", "surrogateescape"): value for name, value in (entry.xattrs or {}).items()},
    }
