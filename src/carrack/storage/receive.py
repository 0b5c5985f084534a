"""A layer straight from a registry: its bytes are kept as they come, and made into a mountable layer by the same pass::

    partial file [0..resume) ─┐
                              ├─▶ apply: digest, size, diff id, layer
    pipe ──▶ partial file ────┘

A source that ends early leaves the partial file for the next try; bytes that turn out not to be that blob, or not to be
a layer, leave nothing, and so does a disk that is full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.errors import FULL, Conflict, InvalidArgument, Unavailable
from carrack.storage.apply import Applied, Expected, apply
from carrack.storage.compression import PLAIN, Budget
from carrack.storage.content import Blob

if TYPE_CHECKING:
    from carrack.storage.content import ContentStore
    from carrack.storage.partial import Partial
    from carrack.storage.snapshots.base import LayerStore
    from carrack.storage.tar import ByteSource

_PATIENCE = 30.0  # seconds in which a worker of a daemon that has just died sees it, and ends


def receive(
    source: ByteSource,
    layers: LayerStore,
    content: ContentStore,
    expected: Expected,
    resume: int = 0,
    budget: Budget | None = None,
) -> Applied:
    """Store the layer and the blob of ``expected`` (digest and size are needed), of which ``source`` gives what follows
    the first ``resume`` bytes.

    Raises what ``apply`` raises; Unavailable when the source ended early; Conflict when another process receives it, or
    less of it is here than the caller thinks.
    """
    assert expected.digest is not None
    assert expected.size is not None
    with content.partial(expected.digest, _PATIENCE) as partial:
        if partial.size < resume:
            raise Conflict(f"what had come of blob {expected.digest} is gone: try again")
        partial.cut(resume)
        resumed = _Resumed(partial, source, expected.size)
        try:
            applied = apply(resumed, layers, expected=expected, budget=budget)
        except InvalidArgument as error:
            if resumed.ended_early:
                raise Unavailable(
                    f"only {partial.size} of {expected.size} bytes came of blob {expected.digest}"
                ) from error
            partial.discard()
            raise
        except OSError as error:
            if error.errno in FULL:
                partial.discard()
            raise
        _keep(partial, applied, layers, content)
    return applied


def _keep(partial: Partial, applied: Applied, layers: LayerStore, content: ContentStore) -> None:
    """Keep the blob where it says more than the driver does: it is compressed, or no tar is kept."""
    if applied.compression == PLAIN and (tar := layers.open_tar(applied.diff_id)) is not None:
        tar.close()
        partial.discard()
    else:
        content.publish(partial.path, Blob(applied.blob_digest, applied.blob_size))


class _Resumed:
    """What is in the partial file, then what comes from the source, which goes into the file as well."""

    def __init__(self, partial: Partial, source: ByteSource, size: int) -> None:
        self._partial = partial
        self._source = source
        self._offset = 0
        self._kept = partial.size
        self._size = size
        self._exhausted = False

    @property
    def ended_early(self) -> bool:
        """Whether the source has no more, and was to have."""
        return self._exhausted and self._partial.size < self._size

    def readinto(self, buffer: memoryview, /) -> int:
        """See ByteSource."""
        if self._offset < self._kept:
            count = self._partial.read(buffer[: self._kept - self._offset], self._offset)
        else:
            count = self._source.readinto(buffer) or 0
            self._partial.write(buffer[:count])
            self._exhausted = not count
        self._offset += count
        return count
