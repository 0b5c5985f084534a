"""Directories that a layer holds without describing them.

Some builders write ``usr/share/x/file`` with no entries for its parents. Unpacked onto the lower layers that changes
nothing about ``usr``; but a layer of its own needs *some* ``usr``, and overlayfs shows the attributes of the upper
one. So such layers get a *mending* layer put right on top: directories only, with the attributes that the lower
layers give them. It depends on what is below, hence it is made and kept per chain (:mod:`chaincache`).

Where a lower layer has a symbolic link at such a path, the directory replaces it, as with Docker's overlay2.

The same layer mends a second thing: overlayfs lists the names of whiteouts in a directory that only one layer has.
Such a directory is put into the mending layer too, and then it is in two.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carrack.storage.snapshots.skeleton import (
    PLAIN,
    Attributes,
    Skeleton,
    directory_attributes,
    open_directory,
    parents,
)

if TYPE_CHECKING:
    from pathlib import Path

    from carrack.linux.kernel import FileKernel
    from carrack.storage.snapshots.layerdirs import LayerNotes

_OPAQUE = "trusted.overlay.opaque"


def mend(
    target: Path, notes: LayerNotes, root: Attributes, *, below_fd: int, layer_fd: int, kernel: FileKernel
) -> None:
    """Fill the empty directory ``target``.

    ``notes``: of the layer; ``root``: the attributes its root must have; ``below_fd``: a view of the layers below;
    ``layer_fd``: the layer's own files.
    """
    skeleton = Skeleton(target)
    skeleton.add("", root)
    found: dict[str, Attributes] = {}

    def add(path: str) -> None:
        for place in [*parents(path), path]:
            if place not in skeleton:
                own = found.get(place) or directory_attributes(layer_fd, place, kernel)
                skeleton.add(place, own or PLAIN)

    for path in map(os.fsdecode, notes.implicit):
        wanted = directory_attributes(below_fd, path, kernel)
        if wanted is None or _cut_off(layer_fd, path, kernel):
            continue
        found[path] = wanted
        add(path)
    for path in map(os.fsdecode, notes.hiding):
        if directory_attributes(below_fd, path, kernel) is None:
            add(path)
    skeleton.finish()


def _cut_off(layer_fd: int, path: str, kernel: FileKernel) -> bool:
    """Whether an opaque directory of the layer above this path hides what is below."""
    for parent in parents(path):
        fd = open_directory(layer_fd, parent, kernel)
        if fd is None:
            continue
        try:
            if _OPAQUE in os.listxattr(fd):
                return True
        finally:
            os.close(fd)
    return False
