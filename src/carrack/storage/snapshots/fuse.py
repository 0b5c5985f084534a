"""Overlays by the program fuse-overlayfs, where the kernel's own cannot be had: above all on a data root that lies on
an overlay itself, as inside of containers.

::

    <root>/layers/<hex>/fs/     the files; what is removed has its name in layers (``.wh.x``), which needs no devices,
                                and hard links are copies: the program keeps a changed file under any of its names
    <run root>/o/<random>/      short names for the directories, while a mount is made

Each mount is served by a process of its own, which the daemon starts and does not own: it outlives the daemon, and
ends with the last clone of its mount. Its file system has no id maps.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument, NotSupported
from carrack.storage.removal import remove_tree
from carrack.storage.snapshots.overlay import OverlayLayers, OverlaySnapshotter
from carrack.storage.snapshots.overlaymount import OverlayMounter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from carrack.linux.kernel import Kernel, MountKernel
    from carrack.storage.snapshots.base import Owners
    from carrack.storage.snapshots.layerdirs import LayerDirectories
    from carrack.storage.tar import TarLimits

_PROGRAM = "fuse-overlayfs"
_DEVICE = "/dev/fuse"
_MAX_LOWERS = 500
_ROOT_MODE = "40000"
_OPTIONS = "writeback=0"  # else a program that fills its disk hears of it when it asks for fsync(2), or never


class FuseLayers(OverlayLayers):
    """The layers alone, as a worker process needs them: no mounts."""

    by_name = True


class FuseMounter(OverlayMounter):
    """See OverlayMounter. ``program``: what serves a mount; ``device``: how it talks to the kernel; ``patience``: for
    how many seconds it may get ready."""

    def __init__(
        self,
        run_root: Path,
        kernel: MountKernel,
        *,
        program: str = _PROGRAM,
        device: str = _DEVICE,
        patience: float = 30,
    ) -> None:
        super().__init__(run_root, kernel, one_by_one=True)
        self._program = program
        self._fuse = device
        self._patience = patience

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
        """See OverlayMounter; NotSupported when ``owners`` are given."""
        if owners is not None:
            raise NotSupported("storage driver fuse-overlayfs: its file systems cannot map ids (idmap, userns-remap)")
        if len(lowers) > _MAX_LOWERS:
            raise InvalidArgument(f"{len(lowers)} layers: {self._program} is given no more than {_MAX_LOWERS}")
        place = self.scratch / secrets.token_hex(3)
        place.mkdir(mode=0o700)
        try:
            return self._serve(self._options(place, lowers, upper, work), place, label)
        finally:
            remove_tree(place)

    def _options(self, place: Path, lowers: Sequence[Path], upper: Path | None, work: Path | None) -> str:
        """By names that need no quoting, relative to ``place``."""
        for index, path in enumerate(lowers):
            os.symlink(path, place / str(index))
        options = f"{_OPTIONS},lowerdir={':'.join(map(str, range(len(lowers))))}"
        if upper is None or work is None:
            return options
        os.symlink(upper, place / "u")
        os.symlink(work, place / "w")
        return f"{options},upperdir=u,workdir=w"

    def _serve(self, options: str, place: Path, label: str = "") -> int:
        """A detached mount that a process of its own serves by now."""
        device = os.open(self._fuse, os.O_RDWR | os.O_CLOEXEC)
        try:
            mounted = self._new(device, label, read_only="upperdir" not in options)
            try:
                self._start([self._program, "-o", options, f"/dev/fd/{device}"], device, place)
            except BaseException:
                os.close(mounted)
                raise
        finally:
            os.close(device)
        return mounted

    def _new(self, device: int, label: str, *, read_only: bool) -> int:
        who = [("fd", str(device)), ("rootmode", _ROOT_MODE), ("user_id", str(os.geteuid()))]
        options: list[tuple[str, str | int | None]] = [("source", self._program), ("subtype", self._program), *who]
        options += [("group_id", str(os.getegid())), ("allow_other", None), ("default_permissions", None)]
        if read_only:
            options.append(("ro", None))
        if label:
            options.append(("context", label))
        return self._kernel.new_mount("fuse", options)

    def _start(self, command: list[str], device: int, place: Path) -> None:
        """It comes back once its child is ready, which nobody waits for any more."""
        try:
            done = subprocess.run(
                command,
                pass_fds=[device],
                cwd=place,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._patience,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OSError(errno.ETIMEDOUT, f"{self._program} is not ready after {self._patience:.0f} s") from None
        if done.returncode != 0:
            raise OSError(0, f"{self._program}: {done.stderr.strip() or done.returncode}")


class FuseSnapshotter(OverlaySnapshotter):
    """See Snapshotter."""

    name = "fuse-overlayfs"
    by_name = True

    def __init__(
        self, directories: LayerDirectories, run_root: Path, kernel: Kernel, *, limits: TarLimits | None = None
    ) -> None:
        super().__init__(directories, run_root, kernel, limits=limits, mounter=FuseMounter(run_root, kernel))

    @staticmethod
    def check() -> None:
        """NotSupported where what it needs is not there."""
        if shutil.which(_PROGRAM) is None:
            raise NotSupported(f"the program {_PROGRAM} is not installed: install the package {_PROGRAM}")
        if not os.path.exists(_DEVICE):
            raise NotSupported(f"there is no {_DEVICE}: load the module fuse")
