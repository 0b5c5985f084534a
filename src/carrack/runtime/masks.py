"""Masked and read-only paths of a spec, each by descriptor.

A masked file is covered by the *real* null device: its bind source is opened from the host, checked to be character
device 1:3, and attached by descriptor; the container's own /dev/null plays no part (CVE-2025-31133). The clone is
read-only, which leaves the device as it is but keeps the container from changing the host's node (chmod). A masked
directory is covered by an empty read-only tmpfs. Paths that do not exist are passed over, as the spec says.
"""

from __future__ import annotations

import os
import stat

from carrack.linux import mount as words
from carrack.runtime import inroot, labelling
from carrack.runtime.devices import DEFAULT_DEVICES, clone_device, host_device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.linux.kernel import Kernel

_NOTHING_THERE = (FileNotFoundError, NotADirectoryError)


def mask(kernel: Kernel, root_fd: int, paths: Sequence[str], label: str = "") -> None:
    """Cover each path. Must run before the root changes, while the host's /dev/null can be reached.

    ``label``: see labelling.py.
    """
    if not paths:
        return
    null = host_device("/dev/null", DEFAULT_DEVICES[0])
    try:
        for path in paths:
            try:
                target = inroot.resolve(kernel, root_fd, path)
            except _NOTHING_THERE:
                continue
            try:
                _cover(kernel, target, null, label)
            except OSError as error:
                raise OSError(error.errno, f"masking: {os.strerror(error.errno or 0)}", path) from error
            finally:
                os.close(target)
    finally:
        os.close(null)


def _cover(kernel: Kernel, target: int, null: int, label: str) -> None:
    if stat.S_ISDIR(os.fstat(target).st_mode):
        few = [("source", "tmpfs"), ("nr_blocks", "1"), ("nr_inodes", "1"), ("ro", None)]
        options = [*few, *labelling.options("tmpfs", label)]
        cover = kernel.new_mount("tmpfs", options, words.MOUNT_ATTR_RDONLY)
    else:
        cover = clone_device(kernel, null)
    try:
        kernel.move_mount(cover, target)
    finally:
        os.close(cover)


def make_read_only(kernel: Kernel, root_fd: int, paths: Sequence[str]) -> None:
    """Put a read-only clone of each path, with all below it, on top of it."""
    for path in paths:
        try:
            target = inroot.resolve(kernel, root_fd, path)
        except _NOTHING_THERE:
            continue
        try:
            clone = kernel.open_tree(target, "", words.OPEN_TREE_CLONE | words.AT_RECURSIVE)
            try:
                kernel.mount_setattr(clone, "", set_flags=words.MOUNT_ATTR_RDONLY, recursive=True)
                kernel.move_mount(clone, target)
            finally:
                os.close(clone)
        except OSError as error:
            raise OSError(error.errno, f"making read-only: {os.strerror(error.errno or 0)}", path) from error
        finally:
            os.close(target)
