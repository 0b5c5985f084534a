"""`docker cp` and `export`: files out of and into a container's root, by descriptors only.

No mounts are made, no program is run and no path string is resolved twice, so that a container which swaps
directories for links meanwhile can lead us nowhere but to itself (CVE-2018-15664, CVE-2026-41567, CVE-2026-41568).
Uploaded archives are decompressed in this process. All functions block: call them in a thread or a worker.
"""

import errno
import os
import stat as mode_bits
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from carrack.linux.kernel import FileKernel
from carrack.model import times
from carrack.storage import resolve, tarwriter
from carrack.storage.differ import Packer
from carrack.storage.tarwriter import Write
from carrack.storage.walk import Node, Translate, reopen, same_ids, stays_real, walk

# Go's os.FileMode, which Docker's clients expect: permission bits as in Unix, the rest of its own.
_GO_KINDS = (
    (mode_bits.S_ISDIR, 1 << 31),
    (mode_bits.S_ISLNK, 1 << 27),
    (mode_bits.S_ISBLK, 1 << 26),
    (mode_bits.S_ISFIFO, 1 << 25),
    (mode_bits.S_ISSOCK, 1 << 24),
    (mode_bits.S_ISCHR, 1 << 26 | 1 << 21),
)
_GO_BITS = ((mode_bits.S_ISUID, 1 << 23), (mode_bits.S_ISGID, 1 << 22), (mode_bits.S_ISVTX, 1 << 20))


@dataclass(frozen=True, slots=True)
class PathStat:
    """What the header X-Docker-Container-Path-Stat says. `mode` is Go's os.FileMode, `mtime` nanoseconds since 1970."""

    name: str
    size: int
    mode: int
    mtime: int
    link_target: str = ""

    def document(self) -> dict[str, Any]:
        """As the JSON object of the Docker API."""
        return {
            "name": self.name,
            "size": self.size,
            "mode": self.mode,
            "mtime": times.rfc3339(self.mtime),
            "linkTarget": self.link_target,
        }


def go_mode(mode: int) -> int:
    """A st_mode as Go's os.FileMode."""
    result = mode & 0o777
    for test, bit in _GO_KINDS:
        if test(mode):
            result |= bit
    for mask, bit in _GO_BITS:
        if mode & mask:
            result |= bit
    return result


def stat(kernel: FileKernel, root_fd: int, path: str, named: str = "") -> PathStat:
    """Describe what `path` names below the root, by its last name or as `named` ends; a link in last place is described
    itself.

    Raises FileNotFoundError and other OSErrors with the path.
    """
    absolute = resolve.clean(path)
    fd = resolve.hold(kernel, root_fd, absolute)
    try:
        found = os.fstat(fd)
    finally:
        os.close(fd)
    target = resolve.final_path(kernel, root_fd, absolute) if mode_bits.S_ISLNK(found.st_mode) else ""
    return PathStat(
        _base(resolve.clean(named or path)), found.st_size, go_mode(found.st_mode), found.st_mtime_ns, target
    )


def pack(
    kernel: FileKernel, root_fd: int, path: str, write: Write, inside: Translate = same_ids, named: str = ""
) -> None:
    """Write `path` as a tar, its entries named below its last name (`/etc/apt` gives `apt/`, `apt/sources.list` …), or
    below that of `named`, where the root is not the container's.

    `path` ending in `/.` gives the directory's content as `./…`, the root gives `/…`, as Docker's clients expect.
    `inside` tells whom a file's owner is in the container.
    """
    absolute = resolve.clean(path)
    held = resolve.hold(kernel, root_fd, absolute)
    try:
        name = os.fsencode(_base(resolve.clean(named or path)))
        found = os.fstat(held)
        packer = Packer(write, inside=inside)
        if mode_bits.S_ISDIR(found.st_mode):
            top = reopen(held)
            try:
                packer.add(Node(name, name, -1, found, top), name)
                prefix = name if name == b"/" else name + b"/"
                _pack_below(kernel, top, prefix, packer)
            finally:
                os.close(top)
        else:
            packer.add_held(held, name)
    finally:
        os.close(held)
    tarwriter.finish(write)


def pack_root(
    kernel: FileKernel,
    root_fd: int,
    write: Write,
    inside: Translate = same_ids,
    covered: Collection[tuple[int, int]] = (),
) -> None:
    """Write the whole root as a tar, as `docker export` does; proc, sysfs and their like come out empty, and so does
    what is mounted in it: `covered` are (device, inode) of that."""
    top = reopen(root_fd)
    try:
        _pack_below(kernel, top, b"", Packer(write, inside=inside), covered)
    finally:
        os.close(top)
    tarwriter.finish(write)


def missing(error: OSError) -> bool:
    """Whether an OSError of this module means that the path does not exist."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def mounted_in(kernel: FileKernel, root_fd: int, mount_points: Iterable[str]) -> set[tuple[int, int]]:
    """(device, inode) of what is mounted at these paths below the root, for `pack_root`."""
    found = set()
    for path in mount_points:
        try:
            fd = resolve.hold(kernel, root_fd, resolve.clean(path))
        except OSError:  # hidden by another mount, or gone
            continue
        info = os.fstat(fd)
        os.close(fd)
        found.add((info.st_dev, info.st_ino))
    return found


def _pack_below(
    kernel: FileKernel, fd: int, prefix: bytes, packer: Packer, covered: Collection[tuple[int, int]] = ()
) -> None:
    real = stays_real(kernel, fd)

    def enter(fd: int, found: os.stat_result) -> bool:
        return (found.st_dev, found.st_ino) not in covered and real(fd, found)

    with closing(walk(fd, enter=enter if covered else real)) as nodes:
        for node in nodes:
            if covered and (node.stat.st_dev, node.stat.st_ino) in covered and not mode_bits.S_ISDIR(node.stat.st_mode):
                packer.add_empty(prefix + node.path)
            else:
                packer.add(node, prefix + node.path)


def _base(absolute: str) -> str:
    """Go's filepath.Base of a cleaned path: "." is kept, for clients use it to ask for a directory's content."""
    return absolute.rstrip("/").rpartition("/")[2] or "/"
