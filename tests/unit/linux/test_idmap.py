from __future__ import annotations

import errno
from pathlib import Path

import pytest
from tests.fakes.kernel import FIRST_FD, FakeKernel

from carrack.errors import NotSupported
from carrack.linux import idmap

TABLE = """\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:5 / /srv rw - nfs4 host:/srv rw
22 21 0:6 / /srv/x rw - tmpfs tmpfs rw
"""


def test_a_clone_gets_the_map() -> None:
    kernel = FakeKernel()
    assert idmap.clone(kernel, "/srv", 5, recursive=True) == FIRST_FD
    assert kernel.named("mount_setattr") == [("mount_setattr", FIRST_FD, "", 0, 0, 0, 5, True)]


def test_a_file_system_that_cannot_is_named() -> None:
    kernel = FakeKernel()
    kernel.fail("mount_setattr", errno.EINVAL)
    with pytest.raises(NotSupported, match=r"files in /proc cannot be mapped: the file system there \(proc\) has no"):
        idmap.apply(kernel, 9, 5, "/proc")
    with pytest.raises(NotSupported, match="or one mounted below it"):
        idmap.apply(kernel, 9, 5, "/proc", recursive=True)
    kernel = FakeKernel()
    kernel.fail("mount_setattr", errno.EPERM)
    with pytest.raises(PermissionError, match="/proc"):
        idmap.apply(kernel, 9, 5, "/proc")


def test_the_file_system_of_a_path(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    assert idmap.file_system(str(tmp_path), str(table)) == "ext4"
    assert idmap.file_system("/not/there", str(table)) == "unknown"
    assert idmap.file_system(str(tmp_path), str(tmp_path / "none")) == "unknown"
