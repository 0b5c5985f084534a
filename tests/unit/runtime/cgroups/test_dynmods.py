"""When the kernel is asked for cheap moves between cgroups, and what must be held for them."""

from __future__ import annotations

import errno
import os

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.runtime.cgroups import dynmods

MOUNT = ("new_mount", "cgroup", (("none", None), ("name", "carrack"), ("favordynmods", None)), 0)


class Kernel(FakeKernel):
    """Mounts are real descriptors, so that closing them can be seen."""

    fd = -1

    def new_mount(self, *arguments: object, **more: object) -> int:
        super().new_mount(*arguments, **more)  # type: ignore[arg-type]
        self.fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
        return self.fd


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize("release", ["6.18.44-fc-v657", "6.18", "7.0.1", "10.2-rc1"])
def test_where_it_stays_the_hierarchy_goes_at_once(mode: str, release: str) -> None:
    kernel = Kernel()
    assert dynmods.favor(kernel, mode, release) is None
    assert kernel.calls == [MOUNT]
    assert not is_open(kernel.fd)


@pytest.mark.parametrize("release", ["6.0.0", "6.12.41+deb13-amd64", "6.17.9-1"])
def test_where_it_costs_every_fork_only_who_asks_gets_it_and_holds_it(release: str) -> None:
    kernel = Kernel()
    assert dynmods.favor(kernel, "auto", release) is None
    assert kernel.calls == []
    held = dynmods.favor(kernel, "on", release)
    assert kernel.calls == [MOUNT]
    assert held == kernel.fd
    assert is_open(kernel.fd)
    os.close(kernel.fd)


@pytest.mark.parametrize(("mode", "release"), [("off", "6.18.1"), ("off", "6.1"), ("on", "5.19.17"), ("on", "odd")])
def test_otherwise_the_kernel_is_not_asked(mode: str, release: str) -> None:
    kernel = Kernel()
    assert dynmods.favor(kernel, mode, release) is None
    assert kernel.calls == []


def test_a_refusal_is_told() -> None:
    kernel = Kernel()
    kernel.fail("new_mount", errno.EINVAL)
    with pytest.raises(OSError, match="new_mount"):
        dynmods.favor(kernel, "auto", "6.18")
