"""Runs a piece of a test in a forked child with namespaces of its own, so that whatever it does ends with it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from carrack.linux.mount import MS_PRIVATE, MS_REC
from carrack.linux.namespaces import CLONE_NEWNS
from carrack.linux.syscalls import LINUX


def run_apart(work: Callable[[], None], flags: int = 0) -> None:
    """Call work in a child, after unshare(flags); mounts do not spread. Its traceback becomes our AssertionError."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(read)
            if flags:
                LINUX.unshare(flags)
            if flags & CLONE_NEWNS:
                LINUX.mount(None, "/", None, MS_REC | MS_PRIVATE)
            work()
            code = 0
        except BaseException:
            os.write(write, traceback.format_exc().encode())
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 0, f"child ended with {code}: {text}"
