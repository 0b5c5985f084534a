"""Small files of a cgroup directory: read, write, and the two ways a directory is emptied and removed."""

from __future__ import annotations

import errno
import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_REMOVE_ATTEMPTS = 60
_READ = 65536
_KILL_ATTEMPTS = 100


def write(directory: str, name: str, value: str | int) -> None:
    """Write one value in one write(2); the OSError names file and value, since the kernel only says EINVAL."""
    path = f"{directory}/{name}"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, str(value).encode())
        finally:
            os.close(fd)
    except OSError as error:
        text = os.strerror(error.errno or 0).lower()
        raise OSError(error.errno, f"failed to write {str(value).strip()!r}: {text}", path) from None


def read(directory: str, name: str) -> str:
    """The whole file; OSError as open(2)."""
    fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)  # a file object costs three times as much
    try:
        text = b""
        while piece := os.read(fd, _READ):
            text += piece
    finally:
        os.close(fd)
    return text.decode("ascii", "replace")


def read_number(directory: str, name: str, default: int = 0) -> int:
    """One decimal number; default when the file is absent or says ``max``."""
    try:
        text = read(directory, name).strip()
    except OSError:
        return default
    return int(text) if text.lstrip("-").isdigit() else default


def read_table(directory: str, name: str) -> dict[str, int]:
    """Lines of ``key value``; empty when the file is absent."""
    try:
        text = read(directory, name)
    except OSError:
        return {}
    table: dict[str, int] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if value.isdigit():
            table[key] = int(value)
    return table


def tree(directory: str) -> list[str]:
    """The directory and all below it, deepest last; empty when it does not exist."""
    found: list[str] = []
    try:
        with os.scandir(directory) as entries:
            children = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if error.errno == errno.ENODEV:  # removed while we looked
            return []
        raise
    found.append(directory)
    for child in children:
        found += tree(child)
    return found


def processes(directory: str) -> list[int]:
    """The processes of a whole tree, as host pids."""
    pids: list[int] = []
    for each in tree(directory):
        try:
            pids += [int(line) for line in read(each, "cgroup.procs").split()]
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
                raise
    return pids


def remove(directory: str) -> None:
    """rmdir the tree, deepest first; a dying process keeps it busy for a moment, so retry for up to about 2 s."""
    pause = 0.001
    for attempt in range(_REMOVE_ATTEMPTS):
        try:
            for each in reversed(tree(directory)):
                try:
                    os.rmdir(each)
                except FileNotFoundError:
                    pass
            return
        except OSError as error:
            if error.errno != errno.EBUSY or attempt == _REMOVE_ATTEMPTS - 1:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def kill(list_processes: Callable[[], list[int]]) -> None:
    """SIGKILL everything until nothing but zombies is left, or 2 s have passed."""
    for _ in range(_KILL_ATTEMPTS):
        pids = list_processes()
        if not pids:
            return
        for pid in pids:
            if pid > 0:  # 0 is a process of a pid namespace that we do not see
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        time.sleep(0.02)
