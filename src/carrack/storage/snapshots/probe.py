"""Choosing the driver at start-up, by trying.

Nothing but a mount that works proves that a kernel, its modules, and the file system of the data root get along, so
each candidate stores a small layer, overlays it, reads it back and writes to it. One thing is looked up before:
kernels of the 6.12 series panicked on file-backed EROFS mounts with blocks smaller than a page (CVE-2024-56750),
which a trial would find out the hard way.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
from typing import TYPE_CHECKING, Final

from carrack.errors import CarrackError, Unavailable
from carrack.storage.snapshots import drivers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from carrack.linux.kernel import Kernel
    from carrack.storage.snapshots.base import LayerStore, Owners, Snapshotter

log = logging.getLogger(__name__)

#: in the run root, which a reboot empties: where a trial went well
TRIED: Final = "storage/driver"

_FILES = 10


def choose(
    root: Path, run_root: Path, kernel: Kernel, wanted: str | None = None, *, release: str = "", label: str = ""
) -> Snapshotter:
    """The first driver that works, or the wanted one; where there are layers already, only the driver that has them.

    Each keeps its files under ``root/<driver>``. Unavailable, with every reason, when none works; InvalidArgument
    for what is no driver. ``release``: as of uname(2), of the running kernel by default.
    ``label``: see drivers.open_driver.
    """
    release = release or os.uname().release
    candidates = [drivers.find(wanted)] if wanted else drivers.with_layers(root) or drivers.DRIVERS
    reasons = []
    for driver in candidates:
        if driver == "erofs" and not drivers.file_mounts_are_safe(release):
            reasons.append(f"erofs: kernel {release} may not mount images from files (CVE-2024-56750)")
            continue
        try:
            snapshotter = drivers.open_driver(driver, root, run_root, kernel, release, label)
            if not _tried(run_root, _circumstances(driver, root, release)):
                _try(snapshotter)
                _note(run_root, _circumstances(driver, root, release))
        except (OSError, CarrackError) as error:
            reasons.append(f"{driver}: {error}")
        else:
            return snapshotter
    raise Unavailable(f"no storage driver works for {root}: {'; '.join(reasons)}")


def _try(snapshotter: Snapshotter) -> None:
    """A disk too full for the trial must not keep anybody from removing what fills it: layers that are there worked."""
    try:
        trial(snapshotter)
    except OSError as failure:
        if failure.errno != errno.ENOSPC or not snapshotter.layers():
            raise
        log.warning("the disk is too full to try the storage driver %s: %s", snapshotter.name, failure)


def _circumstances(driver: str, root: Path, release: str) -> str:
    """Under which a trial has one outcome: this driver on this file system, since the machine was booted."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    device = os.stat(root).st_dev if root.exists() else -1
    return f"{driver} {release} {boot} {root} {device}\n"


def _tried(run_root: Path, circumstances: str) -> bool:
    try:
        return (run_root / TRIED).read_text() == circumstances
    except OSError:
        return False


def _note(run_root: Path, circumstances: str) -> None:
    """Remember a trial that went well; a daemon that starts again on the same machine need not repeat it."""
    try:
        (run_root / TRIED).parent.mkdir(mode=0o700, exist_ok=True)  # the run root may be looked into
        (run_root / TRIED).write_text(circumstances)
    except OSError as failure:
        log.debug("the trial of the storage driver is not remembered: %s", failure)


def layer_store(name: str, root: Path, step: Callable[[str], None] | None = None) -> LayerStore:
    """The layers of a driver by its ``name``, without its mounts: what a worker process writes to."""
    return drivers.open_layers(name, root, step)


def trial(snapshotter: Snapshotter, owners: Owners | None = None) -> None:
    """Store a layer, use it, remove it. OSError or CarrackError when it does not work."""
    archive = _archive()
    diff_id = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    key = f"probe-{os.getpid()}"
    writer = snapshotter.layer_writer()
    try:
        writer.write(archive)
        writer.commit(diff_id)
        snapshotter.prepare(key, [diff_id])
        root = snapshotter.mount(key, owners)
        try:
            _use(root)
        finally:
            os.close(root)
    finally:
        writer.abort()
        snapshotter.remove(key)
        snapshotter.remove_layer(diff_id)


def _use(root: int) -> None:
    for index in range(_FILES):
        fd = os.open(f"d/{index}", os.O_RDWR | os.O_CLOEXEC, dir_fd=root)
        try:
            if os.read(fd, 8192) != _content(index):
                raise OSError(0, "a file of a trial layer reads back wrong", f"d/{index}")
            if os.write(fd, b"more") != 4:
                raise OSError(0, "a file of a trial layer cannot be written", f"d/{index}")
        finally:
            os.close(fd)


def _content(index: int) -> bytes:
    return b"%d" % index * 600 * index


def _archive() -> bytes:
    import tarfile  # not needed by most starts

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for index in range(_FILES):
            info = tarfile.TarInfo(f"d/{index}")
            info.size = len(_content(index))
            archive.addfile(info, io.BytesIO(_content(index)))
        info = tarfile.TarInfo("random")
        info.size = 16  # two daemons on one data root must not take each other's trial for theirs
        archive.addfile(info, io.BytesIO(os.urandom(16)))
    return out.getvalue()
