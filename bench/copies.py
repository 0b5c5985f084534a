"""`cp` of one large file and of many small ones, into a container and out of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from bench.target import IMAGE, Target

IN_ONE_DIRECTORY = 250
MEMORY = Path("/dev/shm")


class Copies:
    """The files to copy: made once below a temporary directory, removed when the last target is done with them.

    Nothing is removed from a disk between two runs, and many files are copied out into memory: an ext4 without a
    journal makes files slowly for minutes after many were removed, by whomever, and the row would be about that.
    """

    def __init__(self, kind: str, size: int = 0, files: int = 0) -> None:
        self._kind = kind
        self._size = size
        self._files = files
        self._folder: Path | None = None
        self._out: Path | None = None
        self._users = 0
        self._copied = 0

    def prepare(self, target: Target) -> None:
        """The files, and a running container that has them too."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bench-cp-"))
            self._make(self._folder / self._kind)
            memory = self._files and MEMORY.is_dir()
            self._out = Path(tempfile.mkdtemp(prefix="bench-cp-", dir=MEMORY if memory else None)) / "out"
        self._users += 1
        target.run("run", "-d", "--name", self._name(target), IMAGE, "sleep", "36000")
        target.run("cp", str(self._folder / self._kind), f"{self._name(target)}:/kept")

    def clean(self, target: Target) -> None:
        """Take it away."""
        target.run("rm", "-f", self._name(target))
        self._users -= 1
        if not self._users and self._folder is not None and self._out is not None:
            shutil.rmtree(self._folder)
            shutil.rmtree(self._out.parent)
            self._folder = self._out = None

    def into(self, target: Target) -> None:
        """The work of copying in."""
        self._copied += 1
        target.run("cp", str(self._place / self._kind), f"{self._name(target)}:/new{self._copied}")

    def out(self, target: Target) -> None:
        """The work of copying out."""
        target.run("cp", f"{self._name(target)}:/kept", str(self._out))

    def forget_out(self, _: Target) -> None:
        """After copying out."""
        assert self._out is not None, "prepare comes first"
        if self._out.is_dir():
            shutil.rmtree(self._out)
        else:
            self._out.unlink(missing_ok=True)

    @property
    def _place(self) -> Path:
        assert self._folder is not None, "prepare comes first"
        return self._folder

    def _name(self, target: Target) -> str:
        return target.name(f"cp-{self._kind}-{target.key}")

    def _make(self, place: Path) -> None:
        if self._size:
            block = os.urandom(1 << 20)
            with place.open("wb") as file:
                for _ in range(self._size >> 20):
                    file.write(block)
            return
        for number in range(self._files):
            folder = place / f"d{number // IN_ONE_DIRECTORY}"
            if not number % IN_ONE_DIRECTORY:
                folder.mkdir(parents=True)
            (folder / f"f{number}").write_bytes(b"x" * (number * 37 % 4096))
