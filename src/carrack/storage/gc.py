"""What may be deleted: a pure mark from the roots, over values, so that it can be tested without any disk.

Roots are the images, the layers that containers stand on, and leases (work in flight). A layer keeps its compressed
blob; an image keeps its config, its manifest and its layers. Whatever lies on disk without being kept is garbage: the
leavings of a crash between two steps, or of a deleted image.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageRoots:
    """What one image keeps: layers by diff id; blobs (config, manifest) by digest."""

    layers: tuple[str, ...]
    blobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What there is: recorded layers with their kept blob (None: none), layers and blobs found on disk."""

    layer_rows: Mapping[str, str | None]
    layer_files: Set[str]
    blob_rows: Set[str]
    blob_files: Set[str]


@dataclass(frozen=True, slots=True)
class Garbage:
    """What to delete. Rows go first, so that a crash in between leaves files without rows, which are garbage again."""

    layer_rows: frozenset[str]
    layer_files: frozenset[str]
    blob_rows: frozenset[str]
    blob_files: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.layer_rows or self.layer_files or self.blob_rows or self.blob_files)


def garbage(images: Iterable[ImageRoots], held_layers: Iterable[str], leased: Set[str], stored: Stored) -> Garbage:
    """Everything stored that no root reaches. `leased` holds diff ids and digests alike."""
    layers = set(held_layers) | leased
    blobs = set(leased)
    for image in images:
        layers.update(image.layers)
        blobs.update(image.blobs)
    blobs.update(blob for layer, blob in stored.layer_rows.items() if blob is not None and layer in layers)
    return Garbage(
        layer_rows=frozenset(stored.layer_rows.keys() - layers),
        # A layer file without a row is a step that a crash cut short, even if an image names it: it is made again.
        layer_files=frozenset(stored.layer_files - (layers & (stored.layer_rows.keys() | leased))),
        blob_rows=frozenset(stored.blob_rows - blobs),
        blob_files=frozenset(stored.blob_files - blobs),
    )
