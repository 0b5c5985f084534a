"""Paths below a container's root, resolved by the kernel to descriptors and never as strings.

Everything a container, an image or a volume can influence may be a symbolic link, and may change while we look. So
each path goes through openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) and what follows acts on the descriptor
(CVE-2021-30465, CVE-2019-19921, CVE-2024-45310). Missing directories are made one component at a time below a
descriptor, so a link that appears in between can only make us fail.
"""

from __future__ import annotations

import errno
import os
import stat

from carrack.linux.mount import PROC_SUPER_MAGIC
from carrack.linux.resolve import IN_ROOT, RESOLVE_NO_SYMLINKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import FileKernel, Kernel


def clean(path: str) -> str:
    """The path made absolute and lexically clean: no empty, ``.`` or ``..`` component."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def resolve(kernel: FileKernel, root_fd: int, path: str, flags: int = 0, *, follow: bool = True) -> int:
    """An O_PATH descriptor of what path names below root_fd; OSError (ENOENT, …) with the path attached.

    With follow=False no component may be a symbolic link (ELOOP).
    """
    how = IN_ROOT if follow else IN_ROOT | RESOLVE_NO_SYMLINKS
    try:
        return kernel.openat2(root_fd, clean(path), os.O_PATH | flags, resolve=how)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from None


def make_directories(kernel: FileKernel, root_fd: int, path: str, mode: int = 0o755) -> int:
    """Like ``mkdir -p`` below root_fd; returns an O_PATH descriptor of the directory.

    An existing part may be a symbolic link (resolved inside the root); one that leads nowhere is an error, since
    making its target would follow the image's wish to create something elsewhere.
    """
    path = clean(path)
    try:
        return resolve(kernel, root_fd, path, os.O_DIRECTORY)
    except OSError as error:
        if error.errno != errno.ENOENT or path == "/":
            raise
    head, _, name = path.rpartition("/")
    parent = make_directories(kernel, root_fd, head or "/", mode)
    try:
        _make_directory(parent, name, mode, path)
        # one component, not followed: what was just made, or a directory that somebody else made meanwhile
        return kernel.openat2(parent, name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, resolve=RESOLVE_NO_SYMLINKS)
    finally:
        os.close(parent)


def _make_directory(parent: int, name: str, mode: int, path: str) -> None:
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise OSError(errno.ENOENT, "a symbolic link that leads nowhere is in the way", path) from None
    except OSError as error:
        raise OSError(error.errno, f"making a directory: {os.strerror(error.errno or 0)}", path) from None


def make_file(kernel: FileKernel, root_fd: int, path: str) -> int:
    """An O_PATH descriptor of path below root_fd, made as an empty file (0644) when missing, its parents too."""
    path = clean(path)
    try:
        return resolve(kernel, root_fd, path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    head, _, name = path.rpartition("/")
    parent = make_directories(kernel, root_fd, head or "/")
    try:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o644, dir_fd=parent))
        return kernel.openat2(parent, name, os.O_PATH | os.O_NOFOLLOW, resolve=RESOLVE_NO_SYMLINKS)
    except OSError as error:
        raise OSError(error.errno, f"making a mount point: {os.strerror(error.errno or 0)}", path) from None
    finally:
        os.close(parent)


class Procfs:
    """A procfs of our own that is attached nowhere, so that nothing can be mounted over a file of it.

    Writes to kernel files go through it (CVE-2025-52881), and files are reopened by descriptor through its
    ``self/fd``. Its pid namespace is the caller's.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.fd = kernel.new_mount("proc", ())
        self._verify(self.fd, "/proc")

    def _verify(self, fd: int, path: str) -> None:
        magic = self._kernel.fstatfs_magic(fd)
        if magic != PROC_SUPER_MAGIC:
            raise OSError(errno.EXDEV, f"not a file of procfs (file system {magic:#x})", path)

    def open(self, path: str, flags: int) -> int:
        """Open a file by its path below /proc; no symbolic link but ``self`` is followed."""
        if path.startswith("self/"):
            path = f"{os.readlink('self', dir_fd=self.fd)}{path[4:]}"
        fd = self._kernel.openat2(self.fd, path, flags, resolve=IN_ROOT | RESOLVE_NO_SYMLINKS)
        try:
            self._verify(fd, f"/proc/{path}")
        except OSError:
            os.close(fd)
            raise
        return fd

    def write(self, path: str, text: str) -> None:
        """Write one value; OSError has the path below /proc attached."""
        try:
            fd = self.open(path, os.O_WRONLY)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), f"/proc/{path}") from None

    def read(self, path: str, limit: int = 4096) -> str:
        """The text of a small file."""
        fd = self.open(path, os.O_RDONLY)
        try:
            return os.read(fd, limit).decode(errors="replace")
        finally:
            os.close(fd)

    def reopen(self, fd: int, flags: int) -> int:
        """Open again, for reading say, what an O_PATH descriptor of ours already is."""
        own = os.readlink("self", dir_fd=self.fd)
        return os.open(f"{own}/fd/{fd}", flags | os.O_CLOEXEC, dir_fd=self.fd)

    def close(self) -> None:
        """Release the mount."""
        os.close(self.fd)
