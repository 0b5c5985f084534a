"""Which limits a machine can set, by the files that its kernel has."""

from __future__ import annotations

from pathlib import Path

from carrack.runtime.cgroups import abilities


def tree(root: Path, *files: str) -> str:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return str(root)


def test_the_first_version(tmp_path: Path) -> None:
    root = tree(tmp_path, "memory/memory.limit_in_bytes", "cpu/cpu.shares", "pids/cgroup.procs")
    assert abilities.find(root) == {"memory", "shares", "pids"}
    tree(tmp_path, "blkio/x/blkio.bfq.weight", "blkio/blkio.throttle.read_bps_device")
    assert abilities.first_version(root, f"{root}/blkio/x") == {"memory", "shares", "pids", "weight", "read-bps"}
    tree(tmp_path, "blkio/x/blkio.bfq.weight_device")
    assert "weight-device" in abilities.first_version(root, f"{root}/blkio/x")
    abilities.find(root)
    assert sorted(path.name for path in (tmp_path / "blkio").iterdir()) == ["blkio.throttle.read_bps_device", "x"]


def test_the_second_version(tmp_path: Path) -> None:
    directory = tree(tmp_path, "io.bfq.weight", "memory.swap.max")
    (tmp_path / "cgroup.controllers").write_text("memory io\n")
    throttles = {"read-bps", "write-bps", "read-iops", "write-iops"}
    assert abilities.unified(directory) == {"memory", "reservation", "swap", "weight", "weight-device", *throttles}
    (tmp_path / "io.bfq.weight").unlink()
    (tmp_path / "cgroup.controllers").write_text("cpu cpuset pids\n")
    assert abilities.unified(directory) == {"shares", "quota", "cpuset", "pids", "swap"}


def test_a_trial_leaves_nothing(tmp_path: Path) -> None:
    tree(tmp_path, "cgroup.subtree_control")
    (tmp_path / "cgroup.controllers").write_text("")
    assert abilities.find(str(tmp_path)) == abilities.EVERYTHING  # what was made is no cgroup, and has no files
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cgroup.controllers", "cgroup.subtree_control"]
