"""Both implementations of the Kernel protocol have all of its calls, with the same parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest
from tests.fakes.kernel import FIRST_FD, FakeKernel

from carrack.linux import kernel
from carrack.linux.syscalls import LINUX, Linux

if TYPE_CHECKING:
    from carrack.linux.kernel import Kernel

FACILITIES = (kernel.MountKernel, kernel.ProcessKernel, kernel.FileKernel, kernel.BpfKernel)


def calls_of(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")]


@pytest.mark.parametrize("implementation", [Linux, FakeKernel])
@pytest.mark.parametrize("protocol", FACILITIES)
def test_same_parameters(protocol: type, implementation: type) -> None:
    for name in calls_of(protocol):
        wanted = inspect.signature(getattr(protocol, name)).parameters
        assert inspect.signature(getattr(implementation, name)).parameters == wanted, name


@pytest.mark.parametrize("protocol", FACILITIES)
def test_a_facility_stays_small(protocol: type) -> None:
    assert 1 <= len(calls_of(protocol)) <= 10


def test_both_satisfy_the_type() -> None:
    implementations: list[Kernel] = [LINUX, FakeKernel()]
    assert len(implementations) == 2


def test_fake_records_comparable_calls() -> None:
    fake = FakeKernel()
    fake.mount("proc", "/proc", "proc", 6)
    fd = fake.new_mount("tmpfs", [("size", "1m"), ("ro", None)])
    fake.move_mount(fd, -100, "/x")
    assert fake.calls == [
        ("mount", "proc", "/proc", "proc", 6, None),
        ("new_mount", "tmpfs", (("size", "1m"), ("ro", None)), 0),
        ("move_mount", FIRST_FD, -100, "/x"),
    ]


def test_fake_fails_where_told() -> None:
    fake = FakeKernel()
    fake.fail("umount", 16, target="/busy")
    fake.umount("/idle")
    with pytest.raises(OSError, match="umount: Device or resource busy"):
        fake.umount("/busy")


def test_fake_keeps_device_programs() -> None:
    fake = FakeKernel()
    first, second = fake.bpf_load_device(b"1"), fake.bpf_load_device(b"2")
    fake.bpf_attach_device(9, first, 2)
    fake.bpf_attach_device(9, second, 2, replace_fd=fake.bpf_program(fake.bpf_query_device(9)[0]))
    assert fake.bpf_query_device(9) == [second]
