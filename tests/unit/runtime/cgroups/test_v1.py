from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.cgroupfs import RecordedTree
from tests.suites import cgroups as suite

from carrack.errors import InvalidArgument, NotSupported
from carrack.runtime.cgroups import files
from carrack.runtime.cgroups.hierarchy import detect
from carrack.runtime.cgroups.v1 import FirstCgroup

if TYPE_CHECKING:
    from carrack.runtime.cgroups.hierarchy import Cgroup, Hierarchy


@pytest.fixture
def tree(tmp_path: Path) -> RecordedTree:
    made = RecordedTree(tmp_path / "cgroup", 1)
    for path in ("/top", "/top/box"):
        made.seed(path)
    return made


@pytest.fixture
def hierarchy(tree: RecordedTree) -> Hierarchy:
    return detect(str(tree.root), tree.mountinfo)


@pytest.fixture
def cgroup(hierarchy: Hierarchy) -> Cgroup:
    return hierarchy.create("/top/box")


def test_the_contract(tree: RecordedTree, hierarchy: Hierarchy) -> None:
    for path in ("/top", "/top/child", "/top/cloned"):
        tree.seed(path)
    suite.check_creation(hierarchy, "/top", tree.exists)
    suite.check_stats(hierarchy.open("/top/box"))
    tree.clear("/top/cloned")
    tree.seed("/top/gone")
    tree.seed("/top/gone/deep")
    tree.clear("/top/gone/deep")
    for place in ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"):
        for file in (tree.root / place / "top/gone").iterdir():
            if file.is_file():
                file.unlink()
    hierarchy.open("/top/gone").remove()
    assert not tree.exists("/top/gone")
    assert tree.exists("/top")
    hierarchy.open("/top/gone").remove()


def test_a_rename_moves_every_tree_or_none(tree: RecordedTree, cgroup: Cgroup) -> None:
    assert cgroup.rename("/top/other").path == "/top/other"
    assert tree.exists("/top/other")
    assert not tree.exists("/top/box")
    with pytest.raises(InvalidArgument, match="keeps its parent"):
        cgroup.rename("/else/box")
    tree.seed("/top/box")
    (tree.root / "pids/top/taken").mkdir()
    (tree.root / "pids/top/taken/file").touch()
    with pytest.raises(OSError, match="not empty"):
        cgroup.rename("/top/taken")
    assert tree.exists("/top/box")


@pytest.mark.parametrize(
    ("resources", "written"),
    [
        ({"memory": {"limit": 1000, "swap": 2000}},
         {"memory.limit_in_bytes": "1000", "memory.memsw.limit_in_bytes": "2000"}),
        ({"memory": {"limit": -1}}, {"memory.limit_in_bytes": "-1", "memory.memsw.limit_in_bytes": "-1"}),
        ({"memory": {"reservation": 5, "swappiness": 0}},
         {"memory.soft_limit_in_bytes": "5", "memory.swappiness": "0"}),
        ({"memory": {"disableOOMKiller": True}}, {"memory.oom_control": "1"}),
        ({"cpu": {"shares": 512, "quota": 5000, "period": 10000}},
         {"cpu.shares": "512", "cpu.cfs_quota_us": "5000", "cpu.cfs_period_us": "10000"}),
        ({"cpu": {"cpus": "0", "mems": "0", "idle": 1}}, {"cpuset.cpus": "0", "cpuset.mems": "0", "cpu.idle": "1"}),
        ({"pids": {"limit": 7}}, {"pids.max": "7"}),
        ({"pids": {"limit": -1}}, {"pids.max": "max"}),
        ({"pids": {"limit": 0}}, {"pids.max": "max"}),
        ({"blockIO": {"weight": 300, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 9}]}},
         {"blkio.bfq.weight": "300", "blkio.throttle.read_bps_device": "8:0 9"}),
        ({"blockIO": {"weightDevice": [{"major": 8, "minor": 1, "weight": 50}]}},
         {"blkio.bfq.weight_device": "8:1 50"}),
    ],
)  # fmt: skip
def test_limits_land_in_their_files(
    tree: RecordedTree, cgroup: Cgroup, resources: Any, written: dict[str, str]
) -> None:
    cgroup.apply(resources)
    # a plain file keeps what was longer before: only its beginning is ours
    assert {name: tree.read("/top/box", name)[: len(value)] for name, value in written.items()} == written


def test_what_is_not_given_is_not_touched(tree: RecordedTree, cgroup: Cgroup) -> None:
    cgroup.apply({})
    assert tree.read("/top/box", "pids.max") == "max"
    assert tree.read("/top/box", "devices.allow") == ""


def order_of(
    monkeypatch: pytest.MonkeyPatch, cgroup: Cgroup, resources: Any, fail: tuple[str, int] | None = None
) -> list[str]:
    names: list[str] = []

    def write(directory: str, name: str, value: str | int) -> None:
        if fail is not None and name == fail[0] and names.count(name) == 0:
            names.append(name)
            raise OSError(fail[1], "refused", name)
        names.append(name)

    monkeypatch.setattr(files, "write", write)
    cgroup.apply(resources)
    return names


def test_the_limit_with_swap_never_falls_below_the_limit(
    tree: RecordedTree, cgroup: Cgroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = {"memory": {"limit": 1000, "swap": 2000}}
    assert order_of(monkeypatch, cgroup, memory)[0] == "memory.limit_in_bytes"
    (tree.root / "memory/top/box/memory.limit_in_bytes").write_text("500\n")
    assert order_of(monkeypatch, cgroup, memory)[0] == "memory.memsw.limit_in_bytes"


def test_a_period_that_clashes_with_the_old_quota_is_written_after_the_new(
    cgroup: Cgroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = {"cpu": {"period": 1000, "quota": 500}}
    names = order_of(monkeypatch, cgroup, cpu, ("cpu.cfs_period_us", errno.EINVAL))
    assert names == ["cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.cfs_period_us"]


def test_what_this_version_or_machine_cannot_do_is_refused(tree: RecordedTree, cgroup: Cgroup) -> None:
    with pytest.raises(InvalidArgument, match="unified"):
        cgroup.apply({"unified": {"memory.high": "1"}})
    with pytest.raises(InvalidArgument, match="leafWeight"):
        cgroup.apply({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 5}]}})
    with pytest.raises(InvalidArgument, match="swappiness"):
        cgroup.apply({"memory": {"swappiness": 101}})
    with pytest.raises(NotSupported, match="hugetlb"):
        cgroup.apply({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]})
    (tree.root / "blkio/top/box/blkio.bfq.weight").unlink()
    with pytest.raises(NotSupported, match="no weight"):
        cgroup.apply({"blockIO": {"weight": 100}})


def test_a_refusal_names_the_file_and_the_value(tree: RecordedTree, cgroup: Cgroup) -> None:
    (tree.root / "pids/top/box/pids.max").unlink()
    with pytest.raises(OSError, match="failed to write '5': no such file") as caught:
        cgroup.apply({"pids": {"limit": 5}})
    assert caught.value.filename == f"{tree.root}/pids/top/box/pids.max"


def test_a_new_cpuset_takes_its_parent_s(tree: RecordedTree, hierarchy: Hierarchy) -> None:
    (tree.root / "cpuset/top/box/cpuset.cpus").write_text("\n")
    (tree.root / "cpuset/top/cpuset.cpus").write_text("1\n")
    hierarchy.create("/top/box")
    assert tree.read("/top/box", "cpuset.cpus") == "1"


def test_figures(cgroup: Cgroup) -> None:
    stats = cgroup.stats()
    assert stats["cpu"] == {
        "usage_ns": 123456, "user_ns": 30_000_000, "system_ns": 40_000_000, "per_cpu_ns": [100000, 23456],
        "periods": 5, "throttled_periods": 2, "throttled_ns": 3000,
    }  # fmt: skip
    assert (stats["memory"]["usage"], stats["memory"]["limit"], stats["memory"]["failures"]) == (4096, 0, 1)
    assert stats["pids"] == {"current": 3, "limit": 0}
    assert stats["oom_kills"] == 2
    assert {"major": 254, "minor": 0, "op": "write", "value": 8192} in stats["block"]["service_bytes"]


def test_a_creation_that_fails_in_one_tree_is_undone_in_all(tree: RecordedTree, hierarchy: Hierarchy) -> None:
    (tree.root / "pids/fresh").write_text("a file is in the way")
    with pytest.raises(OSError, match=r".+"):
        hierarchy.create("/fresh/box")
    assert not (tree.root / "cpu/fresh").exists()


@pytest.mark.parametrize("state", ["FROZEN", "FREEZING"])
def test_what_is_killed_is_thawed_also_while_it_is_being_frozen(tmp_path: Path, state: str) -> None:
    directory = tmp_path / "freezer" / "x"
    directory.mkdir(parents=True)
    (directory / "cgroup.procs").write_text("")
    (directory / "freezer.state").write_text(state + "\n")
    FirstCgroup({"freezer": str(tmp_path / "freezer")}, "/x").kill()
    assert (directory / "freezer.state").read_text().strip().startswith("THAWED")
