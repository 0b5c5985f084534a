"""SELinux: whether this kernel labels by it, which labels its policy has for containers, and labels of files.

A label has three or four parts, ``user:role:type:level``. Sources: selinux(8), the kernel's
security/selinux/selinuxfs.c; ``lxc_contexts`` is where policies say what containers get, as for podman and Docker.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

ATTRIBUTE = "security.selinux"
#: what an operator may write for containers alone; else the policy's own file
_OVERRIDE = "usr/share/containers/selinux/contexts"

#: what is the system's: with another label on it, programs of the host would find it no more
KEPT = (
    "/", "/bin", "/boot", "/dev", "/etc", "/etc/passwd", "/etc/pki", "/etc/shadow", "/home", "/lib", "/lib64", "/media",
    "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log",
)  # fmt: skip
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSUPPORTED = (errno.ENOTSUP, errno.EROFS)


class Contexts(NamedTuple):
    """What a policy gives to containers: the labels of their processes, of their files, and of files that all read."""

    process: str
    file: str
    read_only: str


def enabled(root: str = "/") -> bool:
    """Whether the kernel has a policy, by which it labels."""
    if not os.path.exists(f"{root}sys/fs/selinux/enforce"):
        return False
    return _text(f"{root}proc/self/attr/current").rstrip("\0\n ") not in ("", "kernel")


def contexts(root: str = "/") -> Contexts | None:
    """What the policy of this machine says about containers; None when it says nothing."""
    text = _text(root + _OVERRIDE)
    if not text:
        kind = values(_text(f"{root}etc/selinux/config")).get("SELINUXTYPE", "targeted")
        text = _text(f"{root}etc/selinux/{os.path.basename(kind)}/contexts/lxc_contexts")
    found = values(text)
    process, file = found.get("process", ""), found.get("file", "")
    if not process or not file:
        return None
    return Contexts(process, file, found.get("ro_file", "") or file)


def values(text: str) -> dict[str, str]:
    """Lines of the form ``name = "value"``; those that begin with # or ; are left out. Pure."""
    found = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and name[:1] not in ("#", ";"):
            found[name.strip()] = value.strip().strip('"')
    return found


def label_of(path: str | int) -> str:
    """The label of a file, not following a last link; nothing where the file system keeps none."""
    try:
        held = isinstance(path, int)
        return os.getxattr(path, ATTRIBUTE, follow_symlinks=held).rstrip(b"\0").decode(errors="replace")
    except OSError:
        return ""


def set_label(path: str | int, label: str) -> None:
    """Give a file a label, not following a last link; nothing where the file system keeps none. OSError else."""
    if label_of(path) == label:
        return
    try:
        os.setxattr(path, ATTRIBUTE, label.encode() + b"\0", follow_symlinks=isinstance(path, int))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def is_kept(path: str, root: str = "/") -> bool:
    """Whether a file or directory is the system's own, by its name or by any other name for it."""
    return any(path == name or _same(path, root + name[1:]) for name in KEPT)


def relabel(path: str, label: str) -> None:
    """Give a file, or a directory with all below it, a label (blocking); no link is followed.

    What vanishes meanwhile is passed over. OSError with the path attached.
    """
    set_label(path, label)
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        return
    fd = os.open(path, _FOLDER)
    stack = [(fd, _relabel_in(fd, label, path))]
    try:
        while stack:
            fd, names = stack[-1]
            if not names:
                os.close(stack.pop()[0])
                continue
            try:
                below = os.open(names.pop(), _FOLDER, dir_fd=fd)
            except (FileNotFoundError, NotADirectoryError):
                continue
            stack.append((below, []))
            stack[-1][1].extend(_relabel_in(below, label, path))
    finally:
        for fd, _ in stack:
            os.close(fd)


def _relabel_in(fd: int, label: str, path: str) -> list[str]:
    """Label all that lies in a directory; the names of the directories among it."""
    folders = []
    with os.scandir(fd) as entries:
        for entry in entries:
            try:
                set_label(f"/proc/self/fd/{fd}/{entry.name}", label)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise OSError(error.errno, error.strerror, f"{path}: {entry.name}") from None
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
    return folders


def adopt(path: str, label: str) -> None:
    """Label a directory of ours whose files all inherit from it; all that lie there already when it has another."""
    os.makedirs(path, exist_ok=True)
    if label_of(path) == label:
        return
    for name in os.listdir(path):
        relabel(os.path.join(path, name), label)
    set_label(path, label)


def _same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""
