"""Grants level by level; that the kernel schedules by them is in tests/cli/test_cgroup_parent.py."""

from pathlib import Path

import pytest

from carrack.errors import NotSupported
from carrack.runtime.cgroups import realtime


class Tree:
    """A hierarchy of ordinary files."""

    version = 1

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, path: str) -> None:
        directory = self.root
        for part in path.split("/")[1:]:
            directory /= part
            directory.mkdir(exist_ok=True)
            for name, value in (("runtime", "0"), ("period", "1000000")):
                file = directory / f"cpu.rt_{name}_us"
                file.write_text(file.read_text() if file.exists() else value)


def test_every_level_is_granted_its_time(tmp_path: Path) -> None:
    (tmp_path / "cpu.rt_runtime_us").write_text("950000")
    realtime.grant("/a/b", 0, 5000, hierarchy=Tree(tmp_path), cpu=str(tmp_path))  # type: ignore[arg-type]
    for level in ("a", "a/b"):
        assert (tmp_path / level / "cpu.rt_runtime_us").read_text() == "5000"
        assert (tmp_path / level / "cpu.rt_period_us").read_text() == "1000000"
    realtime.grant("/a/b", 2_000_000, 5000, hierarchy=Tree(tmp_path), cpu=str(tmp_path))  # type: ignore[arg-type]
    assert (tmp_path / "a/b/cpu.rt_period_us").read_text() == "2000000"


def test_a_machine_without_is_told_so(tmp_path: Path) -> None:
    assert not realtime.supported(str(tmp_path))
    with pytest.raises(NotSupported, match="kernel does not support CPU real-time scheduler"):
        realtime.grant("/a", 0, 1, hierarchy=Tree(tmp_path), cpu=str(tmp_path))  # type: ignore[arg-type]
