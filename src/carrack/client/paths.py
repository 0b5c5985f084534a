"""What a short command asks of paths, without the module ``os``, whose import takes a millisecond of its ten.

Paths are taken as they are typed; what cannot be looked at is not there, as in ``os.path``.
"""

import posix
import sys
from _stat import S_ISDIR, S_ISREG


def exists(path: str) -> bool:
    return _mode(path) is not None


def is_folder(path: str) -> bool:
    mode = _mode(path)
    return mode is not None and S_ISDIR(mode)


def is_file(path: str) -> bool:
    """Whether it is a regular file, or a link to one."""
    mode = _mode(path)
    return mode is not None and S_ISREG(mode)


def join(folder: str, name: str) -> str:
    """A name seen from a folder: the name itself where it is absolute."""
    if name.startswith("/") or not folder:
        return name
    return folder + name if folder.endswith("/") else f"{folder}/{name}"


def encoded(path: str) -> bytes:
    """The bytes of a path as the kernel has them."""
    return path.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def _mode(path: str) -> int | None:
    try:
        return posix.stat(path).st_mode
    except (OSError, ValueError):
        return None
