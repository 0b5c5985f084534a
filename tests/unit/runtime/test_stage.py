"""Which specs a stage of a template serves. The containers are compared in tests/root/test_shim_stage.py."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.linux.mount import MNT_DETACH
from carrack.runtime import stage

PROC = {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]}
DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}
SYS = {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}
CGROUP = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}
DATA = {"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind"]}


def spec(*mounts: dict[str, Any], **linux: Any) -> Any:
    return {"mounts": list(mounts), "linux": linux}


def test_the_same_mounts_fit_and_the_others_are_left() -> None:
    assert stage.fits(spec(PROC, DEV, SYS), spec(PROC, DEV, SYS, DATA)) == {0, 1, 2}


def test_mounts_of_the_specs_own_may_stand_between() -> None:
    assert stage.fits(spec(PROC, DEV, SYS), spec(PROC, DATA, DEV, CGROUP, SYS)) == {0, 2, 4}


@pytest.mark.parametrize(
    "wanted",
    [
        spec(PROC, DEV),
        spec(PROC, SYS, DEV),
        spec(PROC, DEV, {**SYS, "options": ["rw"]}),
        spec(PROC, DEV, SYS, SYS),
        spec(PROC, DEV, SYS, {**DATA, "destination": "/"}),
        spec(PROC, DEV, SYS, {**DATA, "destination": "/dev/null"}),
        spec(PROC, DEV, SYS, {**DATA, "destination": "/x/../proc/meminfo"}),
        spec(PROC, DEV, SYS, {**DATA, "destination": "/sys"}),
        spec(PROC, DEV, SYS, maskedPaths=["/proc/keys"]),
        spec(PROC, DEV, SYS, readonlyPaths=["/proc/sys"]),
        spec(PROC, DEV, SYS, devices=[{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]),
        spec(PROC, DEV, SYS, rootfsPropagation="rshared"),
        {},
    ],
)
def test_whatever_else_is_asked_for_does_not_fit(wanted: Any) -> None:
    assert stage.fits(spec(PROC, DEV, SYS), wanted) == frozenset()


def test_a_spec_that_masks_less_does_not_fit() -> None:
    assert stage.fits(spec(PROC, DEV, SYS, maskedPaths=["/proc/keys"]), spec(PROC, DEV, SYS)) == frozenset()


def test_cgroups_do_not_fit_a_cgroup_namespace_to_come() -> None:
    template = spec(PROC, DEV, SYS, CGROUP)
    assert stage.fits(template, spec(PROC, DEV, SYS, CGROUP, namespaces=[{"type": "pid"}]))
    assert not stage.fits(template, spec(PROC, DEV, SYS, CGROUP, namespaces=[{"type": "cgroup"}]))


def test_shared_memory_and_cgroups_may_be_the_specs_own() -> None:
    shm = {**DATA, "destination": "/dev/shm"}
    assert stage.fits(spec(PROC, DEV, SYS), spec(PROC, DEV, SYS, CGROUP, shm)) == {0, 1, 2}


class OneDirectory(FakeKernel):
    """Whatever is mounted is one empty directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def new_mount(self, *arguments: Any) -> int:
        super().new_mount(*arguments)
        return os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)


def test_what_cannot_be_made_ahead_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kernel = OneDirectory(tmp_path)
    assert stage.build(kernel, spec(PROC, DEV, SYS, DATA)) is None
    assert kernel.calls[-1] == ("umount", ".", MNT_DETACH)
    assert os.getcwd() == "/"


def test_a_place_that_cannot_be_taken_away_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount left stacked on / would keep the old root in the container's mount namespace."""
    monkeypatch.chdir(tmp_path)
    kernel = OneDirectory(tmp_path)
    kernel.fail("umount", errno.EBUSY)
    with pytest.raises(OSError, match="umount"):
        stage.build(kernel, spec(PROC, DEV, SYS, DATA))
