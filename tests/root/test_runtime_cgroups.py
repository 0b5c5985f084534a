"""The contract of cgroups on this machine's own hierarchy, in cgroups of the test's own."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.suites import cgroups as suite

from carrack.linux.syscalls import LINUX
from carrack.runtime import spawn
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


UNIFIED = "/sys/fs/cgroup/unified"


@pytest.fixture
def unified() -> Iterator[tuple[Hierarchy, str]]:
    """Version 2, where the machine has it beside version 1 or alone; without controllers it still has its core."""
    root = UNIFIED if os.path.ismount(UNIFIED) else "/sys/fs/cgroup"
    if not Path(root, "cgroup.controllers").exists():
        pytest.skip("no cgroup version 2 is mounted")
    hierarchy = detect(root)
    path = f"/crk-test-{os.getpid()}-unified"
    hierarchy.create(path)
    yield hierarchy, path
    hierarchy.open(path).kill()
    hierarchy.open(path).remove()


def test_version_2_keeps_the_contract(unified: tuple[Hierarchy, str]) -> None:
    hierarchy, top = unified
    root = UNIFIED if os.path.ismount(UNIFIED) else "/sys/fs/cgroup"

    def there(path: str) -> bool:
        return Path(root + path).is_dir()

    suite.check_creation(hierarchy, top, there)
    suite.check_removal(hierarchy, top, there)
    suite.check_rename(hierarchy, top, there)
    suite.check_clone(hierarchy, top)


def test_version_2_starts_processes_inside_and_stops_and_kills_them(unified: tuple[Hierarchy, str]) -> None:
    hierarchy, top = unified
    cgroup = hierarchy.create(f"{top}/box")

    def main() -> None:
        signal.pause()

    child = spawn.spawn(LINUX, [], main, cgroup=cgroup)
    assert cgroup.processes() == [child.pid]
    cgroup.freeze()
    assert cgroup.frozen()
    assert cgroup.stats()["cpu"]["usage_ns"] >= 0
    cgroup.kill()
    assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == -9
    os.close(child.pidfd)
    assert cgroup.processes() == []


def test_version_2_refuses_devices_by_its_program(unified: tuple[Hierarchy, str]) -> None:
    hierarchy, top = unified
    cgroup = hierarchy.create(f"{top}/devices")

    def attempt() -> int:
        """0 when /dev/kmsg could be opened, 1 when it was refused, 2 when not even /dev/null could be."""

        def main() -> None:
            try:
                os.close(os.open("/dev/null", os.O_RDWR))
            except OSError:
                os._exit(2)
            try:
                os.close(os.open("/dev/kmsg", os.O_RDONLY))
            except PermissionError:
                os._exit(1)
            os._exit(0)

        child = spawn.spawn(LINUX, [], main, cgroup=cgroup)
        os.close(child.pidfd)
        return os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])

    assert attempt() == 0
    try:
        cgroup.apply({"devices": [{"allow": False, "access": "rwm"}]})
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOSYS):
            pytest.skip("this kernel is built without BPF for cgroups")
        raise
    assert attempt() == 1
    cgroup.apply({"devices": [{"allow": True, "access": "rwm"}]})
    assert attempt() == 0
