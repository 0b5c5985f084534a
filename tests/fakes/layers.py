"""Layers kept as plain tar files: what the image services see of a snapshotter and its worker, without any mount."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from carrack.errors import InvalidArgument
from carrack.storage.compression import Decompressed
from carrack.storage.content import Ingest
from carrack.storage.tar import TarReader


class FakeLayers:
    """Keeps each layer's tar in a folder. `keeps_tar` False plays a driver that cannot give the tar back."""

    def __init__(self, folder: Path, *, keeps_tar: bool = True) -> None:
        self.folder = folder
        self.keeps_tar = keeps_tar
        self.room = 4096
        self.applied: list[str] = []
        self.gate: asyncio.Event | None = None
        self.begun = asyncio.Event()
        folder.mkdir(exist_ok=True)

    def has_layer(self, diff_id: str) -> bool:
        return (self.folder / diff_id).exists()

    def open_tar(self, diff_id: str) -> BinaryIO | None:
        return (self.folder / diff_id).open("rb") if self.keeps_tar else None

    def remove_layer(self, diff_id: str) -> None:
        (self.folder / diff_id).unlink(missing_ok=True)

    def damage(self, diff_id: str) -> str:
        data = (self.folder / diff_id).read_bytes()
        return "" if "sha256:" + hashlib.sha256(data).hexdigest() == diff_id else "its content has another digest"

    def set_aside(self, diff_id: str, target: Path) -> None:
        (self.folder / diff_id).rename(target)

    def layers(self) -> Iterable[str]:
        return [path.name for path in self.folder.iterdir()]

    async def apply(self, fd: int, diff_id: str, spool: Ingest) -> int:
        """Plays the worker: decompress, check the tar and its digest, keep it. Waits for `gate` when there is one."""
        self.applied.append(diff_id)
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        with open(os.dup(fd), "rb", buffering=0) as file:
            stream = Decompressed(file)
            data = b""
            while piece := stream.read_chunk():
                data += piece
        if "sha256:" + hashlib.sha256(data).hexdigest() != diff_id:
            raise InvalidArgument(f"layer is not {diff_id}")
        (self.folder / "check").write_bytes(data)
        with (self.folder / "check").open("rb", buffering=0) as file:
            TarReader(file).drain()
        (self.folder / "check").rename(self.folder / diff_id)
        return len(data)
