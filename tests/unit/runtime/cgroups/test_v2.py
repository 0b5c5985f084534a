from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.cgroupfs import RecordedTree
from tests.fakes.kernel import FakeKernel
from tests.suites import cgroups as suite

from carrack.errors import Conflict, InvalidArgument, NotSupported
from carrack.runtime.cgroups import device_filter, v2
from carrack.runtime.cgroups.hierarchy import detect

if TYPE_CHECKING:
    from carrack.runtime.cgroups.hierarchy import Cgroup, Hierarchy


class BpfKernel(FakeKernel):
    """Programs are real descriptors, since they are closed."""

    def bpf_load_device(self, program: bytes) -> int:
        self._record("bpf_load_device", program)
        return os.open("/dev/null", os.O_RDONLY)

    def bpf_program(self, program_id: int) -> int:
        self._record("bpf_program", program_id)
        return os.open("/dev/null", os.O_RDONLY)

    def bpf_query_device(self, cgroup_fd: int) -> list[int]:
        self._record("bpf_query_device")
        return [71, 72]

    def bpf_attach_device(self, cgroup_fd: int, program_fd: int, flags: int, replace_fd: int = -1) -> None:
        self._record("bpf_attach_device", flags)

    def bpf_detach_device(self, cgroup_fd: int, program_fd: int) -> None:
        self._record("bpf_detach_device")


@pytest.fixture
def tree(tmp_path: Path) -> RecordedTree:
    made = RecordedTree(tmp_path / "cgroup", 2)
    for path in ("/top", "/top/box"):
        made.seed(path)
    return made


@pytest.fixture
def kernel() -> BpfKernel:
    return BpfKernel()


@pytest.fixture
def hierarchy(tree: RecordedTree, kernel: BpfKernel) -> Hierarchy:
    return detect(str(tree.root), tree.mountinfo, kernel)


@pytest.fixture
def cgroup(hierarchy: Hierarchy) -> Cgroup:
    return hierarchy.create("/top/box")


def test_the_contract(tree: RecordedTree, hierarchy: Hierarchy) -> None:
    for path in ("/top/child", "/top/cloned"):
        tree.seed(path)
    suite.check_creation(hierarchy, "/top", tree.exists)
    suite.check_stats(hierarchy.open("/top/box"))
    tree.clear("/top/cloned")
    suite.check_clone(hierarchy, "/top")
    hierarchy.open("/top/cloned").remove()
    assert not tree.exists("/top/cloned")


def test_controllers_are_handed_down_by_the_parents_only(tree: RecordedTree, hierarchy: Hierarchy) -> None:
    hierarchy.create("/top/box")
    assert tree.read("", "cgroup.subtree_control").startswith("+")
    assert tree.read("/top", "cgroup.subtree_control").startswith("+")
    assert tree.read("/top/box", "cgroup.subtree_control") == ""


def test_who_joins_a_container_that_made_its_cgroup_a_parent_goes_where_its_first_process_is(
    tree: RecordedTree, cgroup: Cgroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.seed("/top/box/init")

    def joined(path: str, controllers: str) -> str:
        (tree.root / "top/box/cgroup.subtree_control").write_text(controllers)
        monkeypatch.setattr(v2, "path_of", {7: path}.get)
        fd = cgroup.clone_fd(7)
        try:
            place = os.readlink(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        cgroup.add(8, beside=7)
        assert Path(place, "cgroup.procs").read_text() == "8"
        return place.removeprefix(str(tree.root))

    assert joined("/top/box/init", "") == "/top/box"
    assert joined("/top/box/init", "memory pids\n") == "/top/box/init"
    assert joined("/top/boxes", "memory\n") == "/top/box"  # not its own any more: nothing to follow
    assert joined("", "memory\n") == "/top/box"


def test_the_cgroup_of_a_process(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("3:pids:/elsewhere\n0::/top/box/init\n")
    assert v2.path_of(7, str(tmp_path)) == "/top/box/init"
    assert v2.path_of(8, str(tmp_path)) == ""


@pytest.mark.parametrize(
    ("resources", "written"),
    [
        ({"memory": {"limit": 1000, "swap": 3000, "reservation": 5}},
         {"memory.max": "1000", "memory.swap.max": "2000", "memory.low": "5"}),
        ({"memory": {"limit": -1}}, {"memory.max": "max", "memory.swap.max": "max"}),
        ({"memory": {"limit": 9, "swap": -1}}, {"memory.max": "9", "memory.swap.max": "max"}),
        ({"memory": {"limit": 9, "swap": 9}}, {"memory.swap.max": "0"}),
        ({"cpu": {"shares": 1024}}, {"cpu.weight": "39"}),
        ({"cpu": {"quota": 5000, "period": 10000}}, {"cpu.max": "5000 10000"}),
        ({"cpu": {"quota": -1, "period": 10000}}, {"cpu.max": "max 10000"}),
        ({"cpu": {"period": 10000}}, {"cpu.max": "max 10000"}),
        ({"cpu": {"cpus": "0", "mems": "0", "idle": 1, "burst": 3}},
         {"cpuset.cpus": "0", "cpuset.mems": "0", "cpu.idle": "1", "cpu.max.burst": "3"}),
        ({"pids": {"limit": 7}}, {"pids.max": "7"}),
        ({"blockIO": {"weight": 500}}, {"io.weight": "default 4950"}),
        ({"blockIO": {"throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 9}]}}, {"io.max": "8:0 wiops=9"}),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 4096}]}, {"hugetlb.2MB.max": "4096"}),
        ({"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 4}}}, {"rdma.max": "mlx5_1 hca_handle=3 hca_object=4"}),
        ({"pids": {"limit": 7}, "unified": {"pids.max": "9", "memory.oom.group": "1"}},
         {"pids.max": "9", "memory.oom.group": "1"}),
    ],
)  # fmt: skip
def test_limits_are_converted_and_land_in_their_files(
    tree: RecordedTree, cgroup: Cgroup, resources: Any, written: dict[str, str]
) -> None:
    cgroup.apply(resources)
    assert {name: tree.read("/top/box", name)[: len(value)] for name, value in written.items()} == written


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"memory": {"swap": 5}}, "unable to set swap limit without memory limit"),
        ({"memory": {"limit": 9, "swap": 5}}, "memory\\+swap limit should be >= memory limit"),
        ({"memory": {"disableOOMKiller": True}}, "disableOOMKiller"),
        ({"memory": {"swappiness": 5}}, "swappiness"),
        ({"cpu": {"realtimePeriod": 5}}, "real-time"),
        ({"network": {"classID": 5}}, "network"),
        ({"blockIO": {"leafWeight": 5}}, "leafWeight"),
        ({"unified": {"../x": "1"}}, "not the name of a cgroup file"),
        ({"unified": {"memory": "1"}}, "not the name of a cgroup file"),
    ],
)
def test_what_version_2_does_not_have_is_refused(cgroup: Cgroup, resources: Any, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        cgroup.apply(resources)


def test_a_limit_below_what_is_used_can_be_refused(cgroup: Cgroup) -> None:
    cgroup.apply({"memory": {"limit": 4096}})
    with pytest.raises(Conflict, match="rejecting memory limit 4096 <= usage 4096"):
        cgroup.apply({"memory": {"limit": 4096, "checkBeforeUpdate": True}})


def test_a_controller_that_is_not_handed_down_is_named(tree: RecordedTree, cgroup: Cgroup) -> None:
    (tree.root / "top/box/pids.max").unlink()
    with pytest.raises(NotSupported, match="the pids cgroup controller is not available"):
        cgroup.apply({"pids": {"limit": 5}})


def test_no_swap_is_no_failure_on_a_machine_without(tree: RecordedTree, cgroup: Cgroup) -> None:
    (tree.root / "top/box/memory.swap.max").unlink()
    cgroup.apply({"memory": {"limit": 9, "swap": 9}})
    with pytest.raises(NotSupported):
        cgroup.apply({"memory": {"limit": 9, "swap": 10}})


def test_device_rules_change_without_a_moment_of_none(cgroup: Cgroup, kernel: BpfKernel) -> None:
    before = os.listdir("/proc/self/fd")
    cgroup.apply({"devices": []})
    calls = [call for call in kernel.calls if str(call[0]).startswith("bpf")]
    assert calls == [
        ("bpf_load_device", device_filter.program([])),
        ("bpf_query_device",),
        ("bpf_attach_device", 2),
        ("bpf_program", 71), ("bpf_detach_device",), ("bpf_program", 72), ("bpf_detach_device",),
    ]  # fmt: skip
    assert os.listdir("/proc/self/fd") == before


def test_freezing_waits_for_the_event(tree: RecordedTree, cgroup: Cgroup) -> None:
    (tree.root / "top/box/cgroup.events").write_text("populated 1\nfrozen 1\n")
    cgroup.freeze()
    assert cgroup.frozen()
    assert tree.read("/top/box", "cgroup.freeze") == "1"
    cgroup.thaw()
    assert tree.read("/top/box", "cgroup.freeze") == "0"


def test_a_full_cgroup_cannot_be_renamed(tree: RecordedTree, cgroup: Cgroup) -> None:
    (tree.root / "top/box/cgroup.procs").write_text(f"{os.getpid()}\n")
    with pytest.raises(InvalidArgument, match="cannot be renamed"):
        cgroup.rename("/top/other")


def test_figures(cgroup: Cgroup) -> None:
    stats = cgroup.stats()
    assert stats["cpu"] == {
        "usage_ns": 123000, "user_ns": 100000, "system_ns": 23000, "periods": 5,
        "throttled_periods": 2, "throttled_ns": 3000,
    }  # fmt: skip
    assert (stats["memory"]["usage"], stats["memory"]["limit"], stats["memory"]["failures"]) == (4096, 0, 1)
    assert stats["oom_kills"] == cgroup.oom_kills() == 2
    assert stats["block"]["serviced"] == [
        {"major": 254, "minor": 0, "op": "read", "value": 1},
        {"major": 254, "minor": 0, "op": "write", "value": 2},
    ]


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000), (0, 1), (10**9, 10000)])
def test_shares_become_weights(shares: int, weight: int) -> None:
    assert v2.weight_of_shares(shares) == weight


@pytest.mark.parametrize(("weight", "io"), [(10, 1), (1000, 10000), (500, 4950), (1, 1)])
def test_block_weights_become_io_weights(weight: int, io: int) -> None:
    assert v2.io_weight(weight) == io
