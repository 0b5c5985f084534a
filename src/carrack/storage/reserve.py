"""Room kept back for the hour when the disk is full: what makes room again must be recorded, and that takes some.

::

    <data root>/reserve/space      allocated, never written
    <data root>/reserve/file-0 …   empty files, for a file system that has no more of them

Given back as a whole when a record does not find room, and taken again at once, as much of it as there is: what the
record has used is lacking until something makes room.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carrack.errors import FULL
from carrack.storage.removal import remove_tree

if TYPE_CHECKING:
    from pathlib import Path

SPACE = 8 << 20  # the write-ahead log alone grows to half of it before it is used again from its begin
_STEP = SPACE // 16
FILES = 8


class Reserve:
    """The directory drawn above. For one thread at a time."""

    def __init__(self, directory: Path, space: int = SPACE, files: int = FILES) -> None:
        self._directory = directory
        self._space = space
        self._files = files
        self._whole = False
        self._taken = 0

    def keep(self) -> bool:
        """Take what is lacking, or what there is of it; whether the reserve is whole now. Costs nothing when it is."""
        if self._whole:
            return True
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            for number in range(self._files):
                self._open(f"file-{number}", 0)
            self._whole = self._take_space()
        except OSError as error:
            if error.errno not in FULL:
                raise
        return self._whole

    def _take_space(self) -> bool:
        for size in range(self._space, self._taken, -_STEP):
            try:
                self._open("space", size)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self._open("space", self._taken)  # it may hold a part of what it did not get
            else:
                self._taken = size
                break
        return self._taken == self._space

    def release(self) -> bool:
        """Give it back; whether there was anything to give."""
        self._whole, self._taken = False, 0
        if not self._directory.exists():
            return False
        self._remove()
        return True

    def _open(self, name: str, size: int) -> None:
        fd = os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if size > self._taken:
                os.posix_fallocate(fd, 0, size)
            else:
                os.ftruncate(fd, size)
        finally:
            os.close(fd)

    def _remove(self) -> None:
        remove_tree(self._directory)
