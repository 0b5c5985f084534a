"""The attacker's other hand: two names of a directory are exchanged all the time while something is done to them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carrack.linux.mount import AT_FDCWD
from carrack.linux.syscalls import LINUX

_EXCHANGE = 2  # RENAME_EXCHANGE, renameat2(2)


@contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """As a container does that shares a volume with the one that is being started."""
    pid = os.fork()
    if pid == 0:
        try:
            os.nice(5)
            while True:
                LINUX.renameat2(AT_FDCWD, str(one), AT_FDCWD, str(other), _EXCHANGE)
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
