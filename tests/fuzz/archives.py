"""Targets: tar archives, the layer trees they describe, uploads, compressed streams."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from carrack.cli.tar_members import members
from carrack.errors import CarrackError, InvalidArgument
from carrack.linux.syscalls import LINUX
from carrack.storage import erofs, tarheader
from carrack.storage.compression import BZIP2, GZIP, PLAIN, XZ, Budget, CompressionError, Decompressed
from carrack.storage.tar import TarEntry, TarError, TarLimits, TarReader, TarScanner
from carrack.storage.tree import Tree
from carrack.storage.unpack import unpack

LIMITS = TarLimits(entries=200, extension=8192, path=512, size=1 << 20)
WITH_HOLES = replace(LIMITS, sparse=True)
BUDGET = Budget(free=1 << 18, ratio=50, maximum=1 << 22)


def tar(data: bytes) -> None:
    """However the bytes are cut, the same entries, data and error come of them; what is accepted keeps its limits."""
    whole = _scanned(data, len(data) or 1)
    assert _scanned(data, 1 + (data[0] if data else 0) * 7) == whole
    entries, content, error = whole
    assert len(entries) <= LIMITS.entries
    assert all(len(path) <= LIMITS.path and b"\0" not in path for path, *_ in entries)
    if not error:
        assert content == _read(data)


def copied(data: bytes) -> None:
    """What `cp` takes out of a container: the same members come of it however it is cut, with all their bytes."""
    assert _members(data, len(data) or 1) == _members(data, 1 + (data[0] if data else 0) * 7)


def _members(data: bytes, step: int) -> tuple[list[tuple[str, bytes, int, float]], bytes, str]:
    found, content = [], b""
    try:
        for member in members(data[start : start + step] for start in range(0, len(data), step)):
            found.append((member.name, member.kind, member.size, member.mtime))
            before = len(content)
            for piece in member.data():
                content += piece
            assert len(content) - before == member.size
    except InvalidArgument as error:
        return found, content, str(error)
    return found, content, ""


def _scanned(data: bytes, step: int) -> tuple[list[tuple[bytes, bytes, int]], bytes, str]:
    scanner, entries, content = TarScanner(WITH_HOLES), [], b""
    try:
        for start in range(0, len(data), step):
            for event in scanner.scan(data[start : start + step]):
                if isinstance(event, memoryview):
                    content += event
                else:
                    entries.append((event.path, event.kind, event.size))
                    _check_holes(event)
        if not scanner.ended:
            scanner.finish()
    except TarError as error:
        return entries, content, str(error)
    return entries, content, ""


def _check_holes(entry: TarEntry) -> None:
    """The stretches of a file with holes are in order, within it, and as much as the archive has of it."""
    if entry.sparse is None:
        return
    end = 0
    for start, length in entry.sparse.stretches:
        assert end <= start
        assert length > 0
        end = start + length
    assert end <= entry.sparse.size <= LIMITS.size
    assert sum(length for _, length in entry.sparse.stretches) == entry.size


def _read(data: bytes) -> bytes:
    reader = TarReader(io.BytesIO(data), WITH_HOLES)
    content = b"".join(bytes(piece) for _ in reader for piece in reader.data())
    assert reader.drain() == len(data)
    return content


def layer(data: bytes) -> None:
    """The tree has plain names only, every directory once, and no whiteout left over as a file."""
    tree = Tree()
    try:
        reader = TarReader(io.BytesIO(data), WITH_HOLES)
        for entry in reader:
            tree.add(entry)
    except TarError:
        return
    tree.settle_whiteouts()
    seen = set()
    for path, node in tree.directories():
        assert id(node) not in seen
        seen.add(id(node))
        assert path == tarheader.normalise(path)
        for name in node.children or {}:
            assert name not in (b"", b".", b"..")
            assert b"/" not in name
            assert not name.startswith(b".wh.")
    for path in tree.implicit_paths():
        assert tree.real_path(path) == path
    moves, held = erofs.spread(tree, len(data))
    assert all(0 <= move.source <= move.source + move.length <= len(data) for move in moves)
    assert all(len(data) <= move.target <= move.target + move.length <= held for move in moves)
    try:
        erofs.build(tree, held, bytes(16))
    except TarError:
        pass


def upload(data: bytes) -> None:
    """Unpacked into a directory, nothing beside that directory changes."""
    with tempfile.TemporaryDirectory(prefix="crk-fuzz-") as name:
        top = Path(name)
        (top / "root/dst").mkdir(parents=True)
        (top / "canary").write_text("untouched")
        (top / "root/out").symlink_to(top)
        root = os.open(top / "root", os.O_RDONLY | os.O_DIRECTORY)
        try:
            unpack(LINUX, root, "/dst", io.BytesIO(data), owner=(os.getuid(), os.getgid()), limits=LIMITS)
        except (CarrackError, OSError):
            pass
        finally:
            os.close(root)
        assert sorted(os.listdir(top)) == ["canary", "root"]
        assert (top / "canary").read_text() == "untouched"
        assert {"dst", "out"} == set(os.listdir(top / "root")) & {"dst", "out"}


#: what the standard library makes of a stream, for the kinds where it is an oracle
_ORACLES: dict[str, Callable[[bytes], bytes]] = {GZIP: gzip.decompress, BZIP2: bz2.decompress, XZ: lzma.decompress}


def compressed(data: bytes) -> None:
    """Bounded whatever comes; what is accepted is what the standard library makes of it."""
    try:
        stream = Decompressed(io.BytesIO(data), BUDGET)
        out = b""
        while chunk := stream.read_chunk():
            out += chunk
            assert len(out) <= BUDGET.maximum + (1 << 19)
    except CompressionError:
        return
    if stream.kind == PLAIN:
        assert out == data
    elif stream.kind in _ORACLES:
        try:
            assert out == _ORACLES[stream.kind](data)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError):
            pass  # trailing bytes that only ours passes over, or refuses
