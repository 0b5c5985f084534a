from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.cgroupfs import RecordedTree
from tests.suites import cgroups as suite

from carrack.errors import InvalidArgument, NotSupported
from carrack.runtime.cgroups.hierarchy import check_path, detect

HYBRID = (
    "31 30 0:40 / {root}/memory rw - cgroup cgroup rw,memory\n"
    "32 30 0:41 / {root}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "33 30 0:42 / {root}/systemd rw - cgroup cgroup rw,name=systemd\n"
    "34 30 0:43 / {root}/unified rw - cgroup2 cgroup2 rw\n"
)


@pytest.mark.parametrize("version", [1, 2])
def test_the_version_is_told_by_the_mounts(tmp_path: Path, version: int) -> None:
    tree = RecordedTree(tmp_path / "cgroup", version)
    hierarchy = detect(str(tree.root), tree.mountinfo)
    assert hierarchy.version == version
    suite.check_paths(hierarchy)


def test_a_hybrid_machine_is_one_of_version_1() -> None:
    assert detect("/sys/fs/cgroup", HYBRID.format(root="/sys/fs/cgroup")).version == 1


def test_mounts_elsewhere_and_named_hierarchies_alone_do_not_count() -> None:
    for text in (HYBRID.format(root="/elsewhere"), HYBRID.splitlines()[2].format(root="/sys/fs/cgroup"), ""):
        with pytest.raises(NotSupported, match="no control group hierarchy"):
            detect("/sys/fs/cgroup", text)


def test_paths_are_cleaned_and_never_climb() -> None:
    assert check_path("/a//b/./c/") == "/a/b/c"
    for bad in ("a", "/", "/..", "/a/../b", "/a\nb"):
        with pytest.raises(InvalidArgument):
            check_path(bad)
