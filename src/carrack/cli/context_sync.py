"""A build's context, of which only those files are sent that have changed since the last build.

The daemon keeps the files of the last build of a folder, by a key that is this folder's on this machine. It is sent a
list of all there are now, with a mark for each that changes whenever the file may have changed: of its size, its times,
its inode, and the time of its last change of any kind, which no program can set. It answers which of them it wants.
"""

import _stat as stat
import posix
import time

from carrack.cli.build_context import pack, pack_files, walk
from carrack.client import document, paths, sums
from carrack.client.transport import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Any

    from carrack.client.transport import Daemon
    from carrack.dockerfile.ignore import Ignored

_FEW, _SMALL = 64, 1 << 20  # files and bytes that are sent at once sooner than they are listed
_KINDS = {stat.S_IFREG: "0", stat.S_IFDIR: "5", stat.S_IFLNK: "2", stat.S_IFIFO: "6"}
_COARSE, _FINE = 2_000_000_000, 100_000_000  # ns that a file must have been left alone for, by how exact its clock is


class Listing:
    """What there is in a folder: ``files`` are the path and the name of each, by their numbers in the list."""

    def __init__(self, context: str, left_out: "Ignored | None") -> None:
        self.files: list[tuple[str, str]] = []
        self.size = 0
        self._out: list[bytes] = []
        self._inodes: dict[tuple[int, int], str] = {}
        self._now = time.time_ns()
        for path, name, status in walk(context, "", left_out):
            self._add(path, name, status)

    @property
    def small(self) -> bool:
        """Whether to send all of it is as quick."""
        return len(self.files) < _FEW and self.size < _SMALL

    def data(self) -> bytes:
        """The list as the daemon takes it: for each its name, its looks, and where it leads, each with a NUL behind."""
        return b"\0".join((*self._out, b""))

    def _add(self, path: str, name: str, status: "os.stat_result") -> None:
        mode = status.st_mode
        kind, target = _KINDS.get(stat.S_IFMT(mode)), ""
        if kind is None:
            return  # what pack leaves out, too
        if kind == "2":
            target = posix.readlink(path)
        elif kind == "0" and status.st_nlink > 1:
            target = self._inodes.setdefault((status.st_dev, status.st_ino), name)
            if target == name:
                target = ""
            else:
                kind = "1"
        size = status.st_size if kind == "0" else 0
        self.size += size
        self.files.append((path, name))
        looks = f"{kind} {mode & 0o7777:o} {size} {int(status.st_mtime)} {self._mark(status)}"
        self._out += (paths.encoded(name), looks.encode(), paths.encoded(target))

    def _mark(self, status: "os.stat_result") -> str:
        """A file that was changed just now may be changed once more without its times telling."""
        changed = status.st_ctime_ns
        if changed + (_FINE if changed % 1_000_000 else _COARSE) > self._now:
            return "-"
        return f"{status.st_mtime_ns},{changed},{status.st_dev},{status.st_ino}"


def prepare(
    daemon: "Daemon", context: str, left_out: "Ignored | None", query: "dict[str, Any]"
) -> "bytes | Iterable[bytes]":
    """The body of the build: what the daemon lacks of the context, or all of it where it cannot say. The query gets
    what tells the daemon to which list the files belong."""
    listing = Listing(context, left_out)
    if listing.small:
        return b"".join(pack(context, left_out))
    try:
        answer = daemon.upload(
            "POST", "/build/context", {"key": _key(context)}, listing.data(), "application/octet-stream"
        )
    except Refused:  # a daemon that keeps no contexts
        return pack(context, left_out)
    told = document.loads(answer.read())
    query["context"] = told["ID"]
    return pack_files(listing.files[number] for number in told["Wanted"])


def _key(context: str) -> str:
    """One folder of one machine."""
    from os.path import realpath

    found = posix.stat(context)
    machine = ""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            machine = file.read().strip()
    except (OSError, ValueError):
        pass
    words = (machine, posix.uname().nodename, realpath(context), found.st_dev, found.st_ino, posix.geteuid())
    return sums.sha256("\0".join(map(str, words)).encode("utf-8", "surrogateescape"))
