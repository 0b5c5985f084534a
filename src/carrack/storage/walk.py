"""Walking a directory tree that a running container may be changing at the same time.

Nothing is looked up by a path string: every step is one name below an open directory, links are never followed, and a
file is opened for reading only after its descriptor has proved to be a regular file (opening a device can act).
What vanishes or changes its kind between two looks is left out.
"""

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from carrack.linux import mount
from carrack.linux.kernel import FileKernel

DEPTH_LIMIT = 512
PATH_LIMIT = 4096
# Inside these nothing is stored; reading them can block, act or never end.
PSEUDO_FILE_SYSTEMS = frozenset(
    {
        mount.PROC_SUPER_MAGIC,
        mount.SYSFS_MAGIC,
        mount.CGROUP_SUPER_MAGIC,
        mount.CGROUP2_SUPER_MAGIC,
        0x1CD1,  # devpts
        0x19800202,  # mqueue
        0x64626720,  # debugfs
        0x74726163,  # tracefs
        0x73636673,  # securityfs
        0xCAFE4A11,  # bpf
    }
)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STILL = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


#: is offered each regular file by its directory, the path of that with a slash (one object for all files in it) and
#: its name, before anything else is asked of it (it may have become something else); what it takes (True) is no node
Take = Callable[[int, bytes, bytes], bool]


class Node:
    """One entry: `path` below the walk's root, `name` in the directory `parent_fd`; both valid until the next step.

    `fd` is the opened directory for directories and -1 for all else.
    """

    __slots__ = ("fd", "name", "parent_fd", "path", "stat")

    def __init__(self, path: bytes, name: bytes, parent_fd: int, entry_stat: os.stat_result, fd: int) -> None:
        self.path = path
        self.name = name
        self.parent_fd = parent_fd
        self.stat = entry_stat
        self.fd = fd


def walk(
    root_fd: int,
    *,
    enter: Callable[[int, os.stat_result], bool] | None = None,
    leave: Callable[[Node], None] | None = None,
    take: Take | None = None,
) -> Generator[Node, None, None]:
    """Every entry below `root_fd`, parents first, names in byte order, without the root itself.

    It holds open directories: who may stop early closes it (contextlib.closing).
    `enter` may refuse to descend into a directory; `leave` is called after a directory's last entry; `take`: see Take.
    Raises OSError (ENAMETOOLONG) when the tree is deeper than DEPTH_LIMIT or a path longer than PATH_LIMIT.
    """
    stack: list[tuple[Node | None, int, Iterator[bytes]]] = [(None, root_fd, _names(root_fd, b"", take))]
    try:
        while stack:
            owner, fd, names = stack[-1]
            name = next(names, None)
            if name is None:
                stack.pop()
                if owner is not None:
                    _close(owner, leave)
                continue
            node = _node(fd, name, owner.path + b"/" + name if owner is not None else name)
            if node is None:
                continue
            if node.fd < 0:
                yield node
                continue
            with ExitStack() as undo:
                undo.callback(os.close, node.fd)
                yield node
                if enter is None or enter(node.fd, node.stat):
                    _check_depth(node.path, len(stack))
                    stack.append((node, node.fd, _names(node.fd, node.path + b"/", take)))
                    undo.pop_all()
    finally:
        for owner, fd, _ in stack:
            if owner is not None:
                os.close(fd)


def reopen(fd: int) -> int:
    """The directory that any descriptor holds (O_PATH too, as those of mounts are), opened for listing."""
    return os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A directory (and no link to one) open for listing. Raises OSError."""
    fd = os.open(path, _DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


#: uid and gid as others know them
Translate = Callable[[int, int], tuple[int, int]]


def same_ids(uid: int, gid: int) -> tuple[int, int]:
    """The usual `Translate`."""
    return uid, gid


def stays_real(kernel: FileKernel, root_fd: int) -> Callable[[int, os.stat_result], bool]:
    """An `enter` that does not descend into proc, sysfs and their like."""
    known = {os.fstat(root_fd).st_dev: True}

    def enter(fd: int, entry_stat: os.stat_result) -> bool:
        answer = known.get(entry_stat.st_dev)
        if answer is None:
            answer = known[entry_stat.st_dev] = kernel.fstatfs_magic(fd) not in PSEUDO_FILE_SYSTEMS
        return answer

    return enter


def open_regular(parent_fd: int, name: bytes) -> int | None:
    """The regular file `name` for reading, its access time left alone; None when it is gone or no regular file."""
    try:
        held = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(held).st_mode):
            return None
        return open_held(held)
    finally:
        os.close(held)


def open_still(parent_fd: int, name: bytes) -> int:
    """The same of what is a regular file for certain: no program can put something else in its place meanwhile."""
    try:
        return os.open(name, _STILL | os.O_NOATIME, dir_fd=parent_fd)
    except PermissionError:  # not the owner's and no CAP_FOWNER
        return os.open(name, _STILL, dir_fd=parent_fd)


def open_held(held: int) -> int:
    """Read access to the regular file that an O_PATH descriptor holds."""
    path = f"/proc/self/fd/{held}"
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOATIME)
    except PermissionError:  # not the owner's and no CAP_FOWNER
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def read_link(parent_fd: int, name: bytes) -> bytes | None:
    """A symbolic link's target; None when it is gone or no link any more."""
    try:
        return os.readlink(name, dir_fd=parent_fd)
    except (FileNotFoundError, OSError):
        return None


def xattrs(fd: int, wanted: Callable[[bytes], bool]) -> dict[bytes, bytes] | None:
    """The extended attributes of an open file whose names are `wanted`, in name order; None for none."""
    try:
        names = os.listxattr(fd)
    except OSError:  # the file system has none
        return None
    if not names:
        return None
    found = {}
    for name in sorted(map(os.fsencode, names)):
        if wanted(name):
            try:
                found[name] = os.getxattr(fd, name)
            except OSError:  # removed since it was listed
                continue
    return found or None


def _close(owner: Node, leave: Callable[[Node], None] | None) -> None:
    try:
        if leave is not None:
            leave(owner)
    finally:
        os.close(owner.fd)


def _names(fd: int, prefix: bytes, take: Take | None) -> Iterator[bytes]:
    if take is None or len(prefix) > PATH_LIMIT - 256:
        return iter(sorted(_encoded(os.listdir(fd))))
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_file(follow_symlinks=False)) for entry in entries]
    files = dict(zip(_encoded([name for name, _ in found]), [is_file for _, is_file in found], strict=True))
    return _left(fd, prefix, files, take)


def _encoded(names: list[str]) -> list[bytes]:
    """All at once, which costs a quarter."""
    return os.fsencode("\0".join(names)).split(b"\0") if names else []


def _left(fd: int, prefix: bytes, files: dict[bytes, bool], take: Take) -> Iterator[bytes]:
    for name in sorted(files):
        if not files[name] or not take(fd, prefix, name):
            yield name


def _node(parent_fd: int, name: bytes, path: bytes) -> Node | None:
    if len(path) > PATH_LIMIT:
        raise OSError(errno.ENAMETOOLONG, f"path is longer than {PATH_LIMIT} bytes", os.fsdecode(path[:200]) + "…")
    try:
        entry_stat = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
        if not stat.S_ISDIR(entry_stat.st_mode):
            return Node(path, name, parent_fd, entry_stat, -1)
        fd = os.open(name, _DIRECTORY, dir_fd=parent_fd)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link took the directory's place
            return None
        raise
    return Node(path, name, parent_fd, os.fstat(fd), fd)


def _check_depth(path: bytes, depth: int) -> None:
    if depth >= DEPTH_LIMIT:
        raise OSError(
            errno.ENAMETOOLONG, f"directories are nested deeper than {DEPTH_LIMIT}", os.fsdecode(path[:200]) + "…"
        )
