"""From a layer as it travels to a layer on disk, in one pass over its bytes::

    source ─▶ sha256 = digest ─▶ decompress ─▶ sha256 = diff id ─▶ layer writer

Nothing is given a name before both digests are known and right; a failure, wherever, leaves no layer.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument
from carrack.storage.compression import PLAIN, Budget, Decompressed

if TYPE_CHECKING:
    from carrack.storage.snapshots.base import LayerStore
    from carrack.storage.tar import ByteSource
    from carrack.storage.tree import Tree


@dataclass(frozen=True, slots=True)
class Applied:
    """A stored layer: its ``diff_id`` and the bytes of its tar; digest and bytes of what the source gave, and how that
    was compressed (a constant of carrack.storage.compression)."""

    diff_id: str
    tar_size: int
    blob_digest: str
    blob_size: int
    compression: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What the source claims to be; None is not checked. ``size`` and ``digest`` are of the compressed bytes."""

    digest: str | None = None
    diff_id: str | None = None
    size: int | None = None


def apply(
    source: ByteSource,
    layers: LayerStore,
    *,
    expected: Expected | None = None,
    budget: Budget | None = None,
) -> Applied:
    """Store the layer that the whole of ``source`` is.

    InvalidArgument (with its kinds TarError and CompressionError) when the source is not what it should be, OSError
    when the disk or the source fails.
    """
    expected = expected or Expected()
    with contextlib.ExitStack() as undo:
        writer = layers.layer_writer()
        undo.callback(writer.abort)
        tee = _Tee(source, expected.size)
        stream = Decompressed(tee, budget)
        digest = None if stream.kind == PLAIN else hashlib.sha256()  # the same bytes need hashing once
        while chunk := stream.read_chunk():
            if digest:
                digest.update(chunk)
            writer.write(chunk)
        applied = Applied(
            diff_id=f"sha256:{digest.hexdigest()}" if digest else tee.digest,
            tar_size=stream.size,
            blob_digest=tee.digest,
            blob_size=tee.size,
            compression=stream.kind,
        )
        _verify(applied, expected)
        writer.commit(applied.diff_id)
    return applied


@dataclass(frozen=True, slots=True)
class Spooled:
    """A plain tar in a file, ``room`` bytes from its begin, whose digest and size he has computed who wrote it."""

    digest: str
    size: int
    room: int


def take_over(
    fd: int, layers: LayerStore, spooled: Spooled, expected: Expected, tree: Tree | None = None
) -> Applied | None:
    """Make a spooled layer's file the layer itself. None when the driver cannot; raises what ``apply`` raises.
    ``tree``: see LayerStore."""
    if not spooled.room or spooled.room != layers.room:
        return None
    applied = Applied(spooled.digest, spooled.size, spooled.digest, spooled.size, PLAIN)
    _verify(applied, expected)
    return applied if layers.take_over(fd, spooled.size, spooled.digest, tree) else None


class _Tee:
    """Counts and hashes what is read through it."""

    def __init__(self, source: ByteSource, limit: int | None) -> None:
        self._source = source
        self._limit = limit
        self._hash = hashlib.sha256()
        self.size = 0

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._source.readinto(buffer) or 0
        self.size += count
        if self._limit is not None and self.size > self._limit:
            raise InvalidArgument(f"layer is longer than the {self._limit} bytes it was said to have")
        self._hash.update(buffer[:count])
        return count

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _verify(applied: Applied, expected: Expected) -> None:
    if expected.size is not None and applied.blob_size != expected.size:
        raise InvalidArgument(f"layer has {applied.blob_size} bytes instead of {expected.size}: it is truncated")
    if expected.digest is not None and applied.blob_digest != expected.digest:
        raise InvalidArgument(f"layer has digest {applied.blob_digest}, expected {expected.digest}")
    if expected.diff_id is not None and applied.diff_id != expected.diff_id:
        raise InvalidArgument(f"layer unpacks to diff id {applied.diff_id}, expected {expected.diff_id}")
