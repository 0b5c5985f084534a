import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.cgroups import FakeHierarchy
from tests.fakes.kernel import FakeKernel

from carrack.shim import rehearsal


class KernelWithPlace(FakeKernel):
    """Its mounts are a real directory."""

    def __init__(self, path: Any) -> None:
        super().__init__()
        self.path = path

    def new_mount(self, fstype: str, options: Any, attributes: int = 0) -> int:
        self._record("new_mount", fstype)
        return os.open(self.path, os.O_PATH)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_rehearsal_leaves_nothing(tmp_path: Any) -> None:
    kernel, log = KernelWithPlace(tmp_path), list[Any]()
    before = os.listdir("/proc/self/fd")
    rehearsal.rehearse(kernel, FakeHierarchy(1, log))
    assert os.listdir("/proc/self/fd") == before
    assert os.listdir(tmp_path) == ["log"]  # on a file system that goes
    assert b'"log":"first words\\n"' in (tmp_path / "log").read_bytes()
    assert log == []
    assert kernel.calls == [("new_mount", "tmpfs")] * rehearsal.TIMES
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
