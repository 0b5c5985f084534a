"""Whether a layer is still what it was made from, and how a damaged one is put out of the way.

The tar is read again and hashed where the driver keeps it; an EROFS image is compared byte for byte with the one that
would be made of its tar today, since the kernel trusts its metadata. Directories cannot be compared with anything: of
those only the notes are looked at.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO, Final

from carrack.storage import erofs
from carrack.storage.durable import sync_directory
from carrack.storage.snapshots.layerdirs import LayerNotes
from carrack.storage.tarheader import TarError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from carrack.storage.snapshots.layerdirs import LayerDirectories
    from carrack.storage.tree import Tree

_PIECE: Final = 1 << 20


def of_layer(directories: LayerDirectories, diff_id: str, open_tar: Callable[[str], BinaryIO | None]) -> str:
    """What is wrong with a layer, "" for nothing. ``open_tar`` gives its bytes as they came, where they are kept.
    NotFound."""
    path = directories.find(diff_id)
    try:
        notes = LayerNotes.decode((path / "notes").read_bytes())
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its notes cannot be read ({error})"
    if notes != directories.notes(diff_id):
        return "its notes have changed"
    tar = open_tar(diff_id)
    if tar is None:
        return ""
    with closing(tar):
        found = _hash(tar)
    return f"its content has the digest {found}" if found != diff_id else ""


def of_image(image: Path, held: int, diff_id: str, tree: Tree, bits: int = erofs.TAR_BITS) -> str:
    """What is wrong with the rest of an EROFS image whose tar is right, "" for nothing. ``tree``: what the tar says;
    ``held``: bytes that the image has of it; ``bits`` of a block."""
    try:
        tree.settle_whiteouts()
        held = erofs.spread(tree, held, bits)[1]
        head, metadata = erofs.build(tree, held, bytes.fromhex(diff_id.partition(":")[2])[:16], bits)
    except TarError as error:
        return f"its image cannot be made again to compare ({error})"
    start = erofs.metadata_offset(held)
    with image.open("rb") as file:
        if os.fstat(file.fileno()).st_size != start + len(metadata):
            return f"its image has {os.fstat(file.fileno()).st_size} bytes instead of {start + len(metadata)}"
        if file.read(len(head)) != head:
            return "the superblock of its image is damaged"
        file.seek(start)
        return "" if file.read() == metadata else "the metadata of its image are damaged"


def set_aside(directories: LayerDirectories, diff_id: str, target: Path) -> None:
    """Move a layer to ``target``, a name on the same file system that there is not yet: the layer can be made again."""
    os.rename(directories.find(diff_id), target)
    sync_directory(target.parent)
    directories.remove(diff_id)  # what is known of it; there is nothing else any more


def _hash(file: BinaryIO) -> str:
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_PIECE))
    while count := file.readinto(buffer):  # type: ignore[attr-defined]
        digest.update(buffer[:count])
    return f"sha256:{digest.hexdigest()}"
