"""Finding a path inside a container's root while the container may be swapping its links.

The kernel does the resolving, in one call and held inside the root (openat2 with RESOLVE_IN_ROOT and
RESOLVE_NO_MAGICLINKS); what comes back is a descriptor, and only descriptors are acted on. Path strings are computed
here for display alone, never to be opened.
"""

import errno
import os
import posixpath
import stat

from carrack.linux.kernel import FileKernel
from carrack.linux.resolve import IN_ROOT
from carrack.storage.walk import PSEUDO_FILE_SYSTEMS

LINK_LIMIT = 40
_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def split(path: str) -> tuple[str, str]:
    """The directory and the last name of a path as typed; the name is "" when the path means a directory itself.

    `/a/b` → (`/a`, `b`); `/a/b/`, `/a/b/.` and `/` → the directory, "". A last `..` is part of the directory.
    """
    if "\0" in path:
        raise OSError(errno.EINVAL, "path contains a NUL byte", path)
    directory, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        return (path or "/"), ""
    return directory or "/", name


def hold(kernel: FileKernel, root_fd: int, path: str) -> int:
    """An O_PATH descriptor of what `path` names below the root; a link in last place is held itself, not followed.

    Raises OSError (FileNotFoundError, NotADirectoryError, ELOOP …) with the path, also for what lies in proc or sysfs.
    """
    directory, name = split(path)
    flags = os.O_PATH | os.O_CLOEXEC | (os.O_DIRECTORY if not name else os.O_NOFOLLOW)
    fd = kernel.openat2(root_fd, _inside(directory if not name else f"{directory}/{name}"), flags, 0, IN_ROOT)
    return _real(kernel, fd, path)


def open_directory(kernel: FileKernel, root_fd: int, path: str) -> int:
    """The directory at `path` for reading, links followed inside the root."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    return _real(kernel, kernel.openat2(root_fd, _inside(path), flags, 0, IN_ROOT), path)


def final_path(kernel: FileKernel, root_fd: int, path: str) -> str:
    """Where `path` leads in the end, links followed, as text for display; names that do not exist are kept."""
    done: list[str] = []
    todo = [part for part in reversed(path.split("/")) if part]
    hops = 0
    while todo:
        part = todo.pop()
        if part in (".", ".."):
            if part == ".." and done:
                done.pop()
            continue
        target = _link_at(kernel, root_fd, "/".join([*done, part]))
        if target is None:
            done.append(part)
            continue
        hops += 1
        if hops > LINK_LIMIT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done = []
        todo.extend(piece for piece in reversed(target.split("/")) if piece)
    return "/" + "/".join(done)


def clean(path: str) -> str:
    """The absolute form of a path as typed, by its letters only; a trailing `/` or `/.` has a meaning and is kept."""
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    if path.endswith("/.") or path == ".":
        return cleaned.rstrip("/") + "/."
    return cleaned + "/" if path.endswith("/") and cleaned != "/" else cleaned


def _inside(path: str) -> bytes:
    return os.fsencode(path.lstrip("/") or ".")


def _real(kernel: FileKernel, fd: int, path: str) -> int:
    try:
        if kernel.fstatfs_magic(fd) in PSEUDO_FILE_SYSTEMS:
            raise FileNotFoundError(errno.ENOENT, "kernel file systems are not copied", path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _link_at(kernel: FileKernel, root_fd: int, path: str) -> str | None:
    try:
        fd = kernel.openat2(root_fd, _inside(path), _HOLD, 0, IN_ROOT)
    except OSError:
        return None
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            return os.fsdecode(os.readlink(b"", dir_fd=fd))
        return None
    finally:
        os.close(fd)
