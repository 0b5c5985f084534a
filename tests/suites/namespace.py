"""A mount namespace of its own for a stretch of tests, so that no mount can be left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from carrack.linux.mount import MS_PRIVATE, MS_REC
from carrack.linux.namespaces import CLONE_NEWNS
from carrack.linux.syscalls import LINUX


@contextmanager
def private_mounts() -> Iterator[None]:
    """Everything mounted inside is gone after it; the working directory is restored."""
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    LINUX.unshare(CLONE_NEWNS)
    try:
        LINUX.mount(None, "/", None, MS_PRIVATE | MS_REC)
        yield
    finally:
        LINUX.setns(before, CLONE_NEWNS)
        os.fchdir(here)
        os.close(here)
        os.close(before)
