from __future__ import annotations

from pathlib import Path

import pytest

from carrack.runtime.cgroups import inside

FIRST = (
    "31 30 0:40 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 30 0:41 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "33 30 0:42 /outer /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
    "34 30 0:43 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    "35 30 0:40 / /again rw - cgroup cgroup rw,memory\n"
)
OWN = "4:memory:/box\n3:cpu,cpuacct:/box\n2:name=systemd:/outer/box\n0::/\n"


def plan(tmp_path: Path, mountinfo: str, own: str, namespace: bool) -> inside.Plan:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mountinfo").write_text(mountinfo)
    (tmp_path / "self/cgroup").write_text(own)
    return inside.plan(cgroup_namespace=namespace, proc=str(tmp_path))


def test_version_1_binds_our_own_directory_of_each_tree_once(tmp_path: Path) -> None:
    found = plan(tmp_path, FIRST, OWN, namespace=False)
    assert found.unified is None
    assert [(part.name, part.bind_source, part.aliases) for part in found.hierarchies] == [
        ("memory", "/sys/fs/cgroup/memory/box", ()),
        ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/box", ("cpu", "cpuacct")),
        ("systemd", "/sys/fs/cgroup/systemd/box", ()),
    ]


def test_in_a_namespace_of_its_own_they_are_mounted_fresh(tmp_path: Path) -> None:
    found = plan(tmp_path, FIRST, OWN, namespace=True)
    assert [(part.name, part.options) for part in found.hierarchies] == [
        ("memory", (("memory", None),)),
        ("cpu,cpuacct", (("cpu", None), ("cpuacct", None))),
        ("systemd", (("none", None), ("name", "systemd"))),
    ]


@pytest.mark.parametrize(("namespace", "source"), [(True, None), (False, "/sys/fs/cgroup/carrack/box")])
def test_version_2_is_one_mount(tmp_path: Path, namespace: bool, source: str | None) -> None:
    text = "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    found = plan(tmp_path, text, "0::/carrack/box\n", namespace)
    assert found.unified is not None
    assert (found.unified.fstype, found.unified.bind_source) == ("cgroup2", source)


def test_a_machine_without_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no cgroup hierarchy is mounted"):
        plan(tmp_path, "30 20 0:26 / / rw - ext4 /dev/vda rw\n", "", namespace=False)
