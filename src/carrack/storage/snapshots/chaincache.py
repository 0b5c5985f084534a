"""Directories that belong to a chain of layers, made once and kept.

::

    <root>/<name>/<hex of chain id>/
        layers      the chain's diff ids, base first, one per line
        fs/         the directory
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from carrack.oci import digest as digests
from carrack.storage.durable import sync_directory, sync_tree, write_file
from carrack.storage.snapshots.base import chain_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from carrack.storage.snapshots.layerdirs import LayerDirectories


class ChainCache:
    """One such folder. ``build`` fills a directory for a chain, or puts another in its place; ``flush`` brings what it
    has made to the disk, so that the name is given to what is whole also after a power cut."""

    def __init__(
        self,
        layers: LayerDirectories,
        name: str,
        build: Callable[[Path, Sequence[str]], None],
        flush: Callable[[Path], None] = sync_tree,
    ) -> None:
        self._layers = layers
        self._build = build
        self._flush = flush
        self._root = layers.root / name
        self._root.mkdir(mode=0o700, exist_ok=True)
        self._lock = threading.RLock()  # a chain's directory may be built on that of a shorter chain

    def path(self, layers: Sequence[str]) -> Path:
        """Where the directory of a chain is, or would be."""
        return self._root / digests.encoded(chain_id(layers)) / "fs"

    def ensure(self, layers: Sequence[str]) -> Path:
        """The directory of a chain, made if it is not there."""
        path = self.path(layers)
        with self._lock:
            if path.is_dir():
                return path
            staging = self._layers.begin()
            try:
                made = staging / "fs"
                made.mkdir(mode=0o755)
                self._build(made, layers)
                write_file(staging / "layers", "\n".join(layers).encode())
                self._flush(made)
                sync_directory(staging)
                self._layers.publish(staging, path.parent)
            finally:
                self._layers.discard(staging)
        return path

    def layers(self, path: Path) -> list[str]:
        """The chain that a directory given by ``ensure`` belongs to; FileNotFoundError when it is gone."""
        return (path.parent / "layers").read_text().split()

    def forget_layer(self, diff_id: str) -> None:
        """Remove the directories of all chains with this layer."""
        for name in os.listdir(self._root):
            path = self._root / name
            try:
                concerned = diff_id in self.layers(path / "fs")
            except FileNotFoundError:
                concerned = True  # not one of ours, or damaged
            if concerned:
                self._layers.discard(path)
