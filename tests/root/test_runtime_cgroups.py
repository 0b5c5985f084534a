"""The contract of cgroups on this machine's own hierarchy, in cgroups of the test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.suites import cgroups as suite

from carrack.linux.syscalls import LINUX
from carrack.runtime.cgroups import device_filter
from carrack.runtime.cgroups.hierarchy import detect

if TYPE_CHECKING:
    from carrack.runtime.cgroups.hierarchy import Hierarchy

pytestmark = pytest.mark.root


@pytest.fixture
def hierarchy() -> Hierarchy:
    return detect()


@pytest.fixture
def top(hierarchy: Hierarchy) -> Iterator[str]:
    path = f"/crk-test-{os.getpid()}-cgroups"
    hierarchy.create(path)
    yield path
    hierarchy.open(path).kill()
    hierarchy.open(path).remove()


def exists(hierarchy: Hierarchy, path: str) -> bool:
    directory = "/sys/fs/cgroup/pids" if hierarchy.version == 1 else "/sys/fs/cgroup"
    return Path(directory + path).is_dir()


def test_the_contract(hierarchy: Hierarchy, top: str) -> None:
    def there(path: str) -> bool:
        return exists(hierarchy, path)

    suite.check_paths(hierarchy)
    suite.check_creation(hierarchy, top, there)
    suite.check_removal(hierarchy, top, there)
    suite.check_rename(hierarchy, top, there)
    suite.check_clone(hierarchy, top)


def test_processes(hierarchy: Hierarchy, top: str) -> None:
    suite.check_members(hierarchy, top)


def test_memory_limits_may_grow_and_shrink(hierarchy: Hierarchy, top: str) -> None:
    cgroup = hierarchy.create(f"{top}/memory")
    for limit, swap in ((64 << 20, 128 << 20), (32 << 20, 32 << 20), (256 << 20, 256 << 20), (-1, -1)):
        cgroup.apply({"memory": {"limit": limit, "swap": swap}})
        assert cgroup.stats()["memory"]["limit"] == max(limit, 0)


def test_out_of_memory_is_counted(hierarchy: Hierarchy, top: str) -> None:
    cgroup = hierarchy.create(f"{top}/oom")
    cgroup.apply({"memory": {"limit": 8 << 20, "swap": 8 << 20}})
    pid = os.fork()
    if pid == 0:
        cgroup.add(os.getpid())
        held = [bytearray(os.urandom(1 << 20)) for _ in range(64)]
        os._exit(len(held) and 3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    assert cgroup.oom_kills() == 1


def test_the_kernel_takes_the_device_program() -> None:
    rules: list[list[dict[str, object]]] = [
        [],
        [{"allow": True, "access": "rwm"}],
        [{"allow": True, "access": "rwm"}, {"allow": False, "type": "b", "major": 8, "minor": 0, "access": "w"}],
        [{"allow": True, "type": "b", "major": 8, "access": "r"}],
    ]
    for each in rules:
        try:
            os.close(LINUX.bpf_load_device(device_filter.program(each)))  # type: ignore[arg-type]
        except OSError as error:
            if "no verifier log" in str(error.strerror) and error.errno == 22:
                pytest.skip("this kernel is built without BPF_PROG_TYPE_CGROUP_DEVICE")
            raise
