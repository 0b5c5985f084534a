"""Exit codes and signals by descriptor."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.linux import pidfd
from carrack.linux.syscalls import LINUX


@pytest.fixture
def child() -> Iterator[tuple[int, int]]:
    """A process that ends with the number that it is sent, or by a signal."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os._exit(int(os.read(read, 10)))
    os.close(read)
    fd = LINUX.pidfd_open(pid)
    yield fd, write
    os.close(fd)
    os.close(write)


def test_exit_code(child: tuple[int, int]) -> None:
    fd, write = child
    assert not pidfd.ended(fd)
    assert pidfd.pid(fd) > 0
    os.write(write, b"42")
    assert pidfd.wait(fd) == 42
    assert pidfd.ended(fd)
    assert not pidfd.signal(LINUX, fd, signal.SIGTERM)
    with pytest.raises(ProcessLookupError):
        pidfd.pid(fd)
    with pytest.raises(ChildProcessError):
        pidfd.wait(fd)


def test_death_by_signal(child: tuple[int, int]) -> None:
    fd, _ = child
    assert pidfd.signal(LINUX, fd, signal.SIGKILL)
    assert pidfd.wait(fd) == 137


def test_other_failures_are_not_taken_for_an_end() -> None:
    fake = FakeKernel()
    fake.fail("pidfd_send_signal", PermissionError(1, "no"))
    with pytest.raises(PermissionError):
        pidfd.signal(fake, 3, 15)


def test_a_descriptor_of_something_else() -> None:
    with pytest.raises(ValueError, match="fd 0 is not a pidfd"):
        pidfd.pid(0)
