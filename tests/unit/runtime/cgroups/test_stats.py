"""The shapes are judged in test_v1 and test_v2 on recorded files; here: what is missing."""

from __future__ import annotations

from pathlib import Path

from carrack.runtime.cgroups import stats


def test_a_missing_controller_leaves_its_part_empty(tmp_path: Path) -> None:
    (tmp_path / "pids.current").write_text("1\n")
    found = stats.first_version({"pids": str(tmp_path)})
    assert found == {
        "version": 1, "cpu": {}, "memory": {}, "block": {}, "pids": {"current": 1, "limit": 0}, "oom_kills": 0,
    }  # fmt: skip


def test_an_empty_unified_cgroup_has_zeros(tmp_path: Path) -> None:
    found = stats.unified(str(tmp_path))
    assert found["cpu"]["usage_ns"] == found["memory"]["usage"] == found["oom_kills"] == 0
    assert found["block"] == {"service_bytes": [], "serviced": []}


def test_lines_that_are_not_understood_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "io.stat").write_text("junk\n8:0 rbytes=x wios=3 new=1\nx:y rbytes=1\n")
    assert stats.unified(str(tmp_path))["block"] == {
        "service_bytes": [],
        "serviced": [{"major": 8, "minor": 0, "op": "write", "value": 3}],
    }
