"""Mounting overlayfs, with as many and as long lower directories as it takes.

Since Linux 6.8 directories are handed over one by one (``lowerdir+``), each in a string of at most 255 bytes. Before,
all had to fit into the one page of mount(2)'s options. Both limits are met the same way: directories with long names
go by short symbolic links, made for the call and removed after it; these are named by way of a descriptor, so that the
length of the run root does not count.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument
from carrack.linux.mount import AT_FDCWD, MNT_DETACH, MS_RDONLY, OPEN_TREE_CLONE
from carrack.storage.removal import remove_tree
from carrack.storage.snapshots.mappedparts import MappedParts
from carrack.storage.walk import opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from carrack.linux.kernel import MountKernel
    from carrack.storage.snapshots.base import Owners

Option = tuple[str, str | int | None]

_OPTIONS = (("metacopy", "off"), ("redirect_dir", "nofollow"), ("index", "off"), ("xino", "off"))
_MARK = "work/incompat"  # what a volatile mount leaves in its work directory, which is not mounted with it
_LONGEST_STRING = 255  # of fsconfig(2)
_LONGEST_DATA = 4095  # of mount(2)
_MAX_LOWERS = 500  # OVL_MAX_STACK


def forget_volatile(work: Path) -> None:
    """Take away what would keep a work directory from being mounted once more, for who does not mind what was lost."""
    remove_tree(work / _MARK)


class OverlayMounter:
    """``one_by_one``: whether the kernel knows ``lowerdir+`` (6.8 and later); ``by_descriptor``: see MappedParts.
    ``scratch``: where short names are made."""

    def __init__(self, run_root: Path, kernel: MountKernel, *, one_by_one: bool, by_descriptor: bool = False) -> None:
        self._mapped = MappedParts(run_root, kernel, by_descriptor=one_by_one and by_descriptor)
        self.scratch = run_root / "o"
        self._kernel = kernel
        self._one_by_one = one_by_one
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)

    def mount(
        self,
        lowers: Sequence[Path],
        upper: Path | None = None,
        work: Path | None = None,
        owners: Owners | None = None,
        label: str = "",
        *,
        lasting: bool = True,
    ) -> int:
        """A detached overlay, topmost lower directory first; read-only without an upper one. ``lasting``: see
        Snapshotter.prepare.

        ``label``: the SELinux label of all its files, if any.

        InvalidArgument above 500 lower directories; OSError with the kernel's reason.
        """
        if len(lowers) > _MAX_LOWERS:
            raise InvalidArgument(f"{len(lowers)} layers: overlayfs stacks no more than {_MAX_LOWERS}")
        extra: list[Option] = [("context", label)] if label else []
        if upper and not lasting:
            extra.append(("volatile", None))
        if owners is not None:
            with self._mapped.of(lowers, upper, work, owners) as parts:
                return self._mount(parts, len(lowers), extra)
        directories = [*lowers, upper, work] if upper and work else list(lowers)
        return self._mount([str(path) for path in directories], len(lowers), extra)

    def _mount(self, names: Sequence[str | int], lowers: int, extra: Sequence[Option]) -> int:
        longest = max(len(os.fsencode(name)) if isinstance(name, str) else 0 for name in names)
        if self._one_by_one and longest <= _LONGEST_STRING:
            return self._mount_new(names, lowers, extra)
        return self._mount_linked([str(name) for name in names], lowers, extra)

    def _mount_linked(self, names: list[str], lowers: int, extra: Sequence[Option]) -> int:
        place = self.scratch / secrets.token_hex(3)
        place.mkdir(mode=0o700)
        try:
            with opened(place) as fd:
                for index, name in enumerate(names):
                    os.symlink(name, str(index), dir_fd=fd)
                links = [f"/proc/self/fd/{fd}/{index}" for index in range(len(names))]
                if self._one_by_one:
                    return self._mount_new(links, lowers, extra)
                return self._mount_classic(links, lowers, place / "m", extra)
        finally:
            remove_tree(place)

    def sweep(self) -> None:
        """Remove what a crash in the middle of a call has left."""
        self._mapped.sweep()
        for name in os.listdir(self.scratch):
            try:
                self._kernel.umount(str(self.scratch / name / "m"), MNT_DETACH)
            except OSError:
                pass  # most have no mount
            remove_tree(self.scratch / name)

    def _mount_new(self, names: Sequence[str | int], lowers: int, extra: Sequence[Option]) -> int:
        options: list[Option] = [("source", "overlay")]
        options += [("lowerdir+", name) for name in names[:lowers]]
        options += list(zip(("upperdir", "workdir"), names[lowers:], strict=False))
        if len(names) == lowers:
            options.append(("ro", None))
        return self._kernel.new_mount("overlay", [*options, *_OPTIONS, *extra])

    def _mount_classic(self, names: list[str], lowers: int, target: Path, extra: Sequence[Option]) -> int:
        data = "lowerdir=" + ":".join(names[:lowers])
        for option, name in zip(("upperdir", "workdir"), names[lowers:], strict=False):
            data += f",{option}={name}"
        data += "".join(f",{key}={value}" for key, value in _OPTIONS)
        for key, value in extra:
            data += f',{key}="{value}"' if value else f",{key}"  # quoted, for a label may have commas
        if len(os.fsencode(data)) > _LONGEST_DATA:
            raise InvalidArgument(f"{lowers} layers do not fit into the mount options of this kernel (before 6.8)")
        target.mkdir(mode=0o700)
        read_only = MS_RDONLY if len(names) == lowers else 0
        self._kernel.mount("overlay", str(target), "overlay", read_only, data)
        try:
            return self._kernel.open_tree(AT_FDCWD, str(target), OPEN_TREE_CLONE)
        finally:
            self._kernel.umount(str(target), MNT_DETACH)
