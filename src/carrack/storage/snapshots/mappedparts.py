"""The directories of an overlay as id-mapped mounts, so that layers are shared whoever owns their files inside.

Overlayfs itself has no id-mapped mounts, but takes over the maps of the mounts that its directories lie on. Whoever
mounts it makes files in the work directory, so in the map of the changes the host's root has an id, too: one that no
map for a container reaches (`MOUNTER`). Since Linux 6.15 detached mounts will do, by descriptor; before, they are
attached for the moment of the call.

::

    <run root>/i/<random>/<number>      an attached part; nothing here is ever removed but empty directories
"""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from carrack.linux import idmap
from carrack.linux.mount import AT_FDCWD, MNT_DETACH, UMOUNT_NOFOLLOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from carrack.linux.kernel import MountKernel
    from carrack.storage.snapshots.base import Owners

#: the id on disk of what the mounter makes for itself: whiteouts, and the inside of the work directory
MOUNTER = 0xFFFFFFFE
_HOLD = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class MappedParts:
    """``by_descriptor``: whether overlayfs takes detached mounts (Linux 6.15 and later)."""

    def __init__(self, run_root: Path, kernel: MountKernel, *, by_descriptor: bool) -> None:
        self._places = run_root / "i"
        self._kernel = kernel
        self._by_descriptor = by_descriptor

    @contextmanager
    def of(
        self, lowers: Sequence[Path], upper: Path | None, work: Path | None, owners: Owners
    ) -> Iterator[list[str] | list[int]]:
        """The lower directories, then the upper and the work directory (which lie in one), as overlayfs is to be given
        them: descriptors or paths, for as long as the context lasts. NotSupported by a file system that has no maps.
        """
        changed = [path for path in (upper, work) if path is not None]
        with ExitStack() as held:
            fds = [self._clone(held, path, owners.layers) for path in lowers]
            fds += [self._clone(held, path.parent, owners.changes) for path in changed[:1]]
            if not self._by_descriptor:
                places = self._attach(held, fds)
                yield [*map(str, places[: len(lowers)]), *(str(places[-1] / path.name) for path in changed)]
                return
            for path in changed:
                fds.append(os.open(path.name, _HOLD, dir_fd=fds[len(lowers)]))
                held.callback(os.close, fds[-1])
            yield [*fds[: len(lowers)], *fds[len(lowers) + 1 :]]

    def sweep(self) -> None:
        """Take away what a crash in the middle of a call has left."""
        if not self._places.is_dir():
            return
        for place in self._places.iterdir():
            for part in place.iterdir():
                self._detach(part)
            _remove(place)

    def _clone(self, held: ExitStack, path: Path, userns_fd: int) -> int:
        fd = idmap.clone(self._kernel, str(path), userns_fd)
        held.callback(os.close, fd)
        return fd

    def _attach(self, held: ExitStack, fds: list[int]) -> list[Path]:
        place = self._places / secrets.token_hex(3)
        place.mkdir(mode=0o700, parents=True)
        held.callback(_remove, place)
        places = []
        for number, fd in enumerate(fds):
            part = place / str(number)
            part.mkdir(mode=0o700)
            held.callback(self._detach, part)
            self._kernel.move_mount(fd, AT_FDCWD, str(part))
            places.append(part)
        return places

    def _detach(self, part: Path) -> None:
        try:
            self._kernel.umount(str(part), MNT_DETACH | UMOUNT_NOFOLLOW)
        except OSError:
            pass  # not mounted; else the directory stays, for it is not empty
        _remove(part)


def _remove(directory: Path) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass
