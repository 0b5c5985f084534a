"""One daemon per data root: a lock that the kernel drops with the process, and the file that names the process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carrack.errors import Conflict

LOCK = "carrackd.lock"


@contextmanager
def owning(data_root: Path) -> Iterator[None]:
    """Hold `data_root` for this process; it is made (0710, root's) when missing.

    Raises Conflict while another daemon holds it, OSError when it cannot be made.
    """
    data_root.mkdir(parents=True, exist_ok=True)
    os.chmod(data_root, 0o710)
    descriptor = os.open(data_root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise Conflict(
                f"another carrackd (process {holder}) is using {data_root}; stop it, or choose another --data-root"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


@contextmanager
def pidfile(path: Path) -> Iterator[None]:
    """Keep this process's id in `path`, for scripts that ask for it.

    Raises Conflict while the process named there is alive and another, OSError when the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    other = _running(path)
    if other:
        raise Conflict(f"process {other}, named in {path}, is still running; stop it, or choose another --pidfile")
    mine = f"{os.getpid()}\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(mine)
    os.rename(temporary, path)
    try:
        yield
    finally:
        if _content(path) == mine:
            path.unlink(missing_ok=True)


def _running(path: Path) -> int:
    """The live process that `path` names, if it is one and is a carrackd; else 0."""
    try:
        pid = int(_content(path))
    except ValueError:
        return 0
    if pid == os.getpid():
        return 0
    # A process id is soon given to another program; only a daemon of ours counts.
    command = _content(Path(f"/proc/{pid}/cmdline"))
    return pid if "carrackd" in command or "carrack.daemon" in command else 0


def _content(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
