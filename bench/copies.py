"""`cp` of one large file and of many small ones, into a container and out of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from bench.target import IMAGE, Target

IN_ONE_DIRECTORY = 250


class Copies:
    """The files to copy: made once below a temporary directory, removed when the last target is done with them."""

    def __init__(self, kind: str, size: int = 0, files: int = 0) -> None:
        self._kind = kind
        self._size = size
        self._files = files
        self._folder: Path | None = None
        self._users = 0

    def prepare(self, target: Target) -> None:
        """The files, and a running container that has them too."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bench-cp-"))
            self._make(self._folder / self._kind)
        self._users += 1
        target.run("run", "-d", "--name", self._name(target), IMAGE, "sleep", "36000")
        target.run("cp", str(self._folder / self._kind), f"{self._name(target)}:/kept")

    def clean(self, target: Target) -> None:
        """Take it away."""
        target.run("rm", "-f", self._name(target))
        self._users -= 1
        if not self._users and self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def into(self, target: Target) -> None:
        """The work of copying in."""
        target.run("cp", str(self._place / self._kind), f"{self._name(target)}:/new")

    def out(self, target: Target) -> None:
        """The work of copying out."""
        target.run("cp", f"{self._name(target)}:/kept", str(self._place / "out"))

    def forget_new(self, target: Target) -> None:
        """After copying in."""
        target.run("exec", self._name(target), "rm", "-rf", "/new")

    def forget_out(self, target: Target) -> None:
        """After copying out."""
        out = self._place / "out"
        if out.is_dir():
            shutil.rmtree(out)
        else:
            out.unlink(missing_ok=True)

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
