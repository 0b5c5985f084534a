"""How much a directory tree holds, for `ps -s`, `system df` and prune's figures; and how much a disk."""

import os

_PLENTY = 10  # a tenth of the file system


def tree_size(path: str | os.PathLike[str]) -> int:
    """The bytes of all regular files below a directory, hard links counted once, less what vanishes meanwhile."""
    total = 0
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(path)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        total += status.st_size
            except OSError:
                continue
    return total


def room(path: str | os.PathLike[str]) -> tuple[int, int]:
    """The bytes of the file system at a path, and how many of them are free for what is not root's alone."""
    status = os.statvfs(path)
    return status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize


def scarce(path: str | os.PathLike[str]) -> bool:
    """Whether less than a tenth of the file system at a path is free, of its bytes or of its inodes, if it has a number
    of these."""
    status = os.statvfs(path)
    return status.f_bavail * _PLENTY < status.f_blocks or status.f_favail * _PLENTY < status.f_files
