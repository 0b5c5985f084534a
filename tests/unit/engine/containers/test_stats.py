"""`stats` and `top`: the shim's figures in the API's shape."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.fakes.containers import FakeShim, container, run

from carrack.engine.containers import stats
from carrack.errors import Conflict
from carrack.model import times

FIGURES: dict[str, Any] = {
    "version": 1,
    "cpu": {"usage_ns": 10, "system_ns": 4, "user_ns": 6, "per_cpu_ns": [7, 3], "periods": 1,
            "throttled_periods": 2, "throttled_ns": 3},
    "memory": {"usage": 100, "max_usage": 200, "limit": 1000, "failures": 5, "stats": {"cache": 1}},
    "pids": {"current": 3, "limit": 10},
    "block": {"service_bytes": [{"major": 8, "minor": 0, "op": "Read", "value": 1}]},
}  # fmt: skip
FIELDS = """name id read preread pids_stats blkio_stats num_procs storage_stats cpu_stats precpu_stats
    memory_stats""".split()


def test_a_running_container() -> None:
    async def main() -> None:
        c = container(1, status="running", pid=os.getpid())
        shim: Any = FakeShim()
        c.shim, shim.figures = shim, FIGURES
        first = await stats.sample(c, None)
        assert list(first) == [*FIELDS, "networks"]
        assert first["cpu_stats"]["cpu_usage"] == {
            "total_usage": 10, "usage_in_kernelmode": 4, "usage_in_usermode": 6, "percpu_usage": [7, 3],
        }  # fmt: skip
        assert first["cpu_stats"]["throttling_data"] == {"periods": 1, "throttled_periods": 2, "throttled_time": 3}
        assert first["cpu_stats"]["system_cpu_usage"] > 0
        assert first["memory_stats"] == {
            "usage": 100, "stats": {"cache": 1}, "limit": 1000, "max_usage": 200, "failcnt": 5,
        }  # fmt: skip
        assert first["pids_stats"] == {"current": 3, "limit": 10}
        assert first["blkio_stats"]["io_service_bytes_recursive"] == FIGURES["block"]["service_bytes"]
        assert first["blkio_stats"]["io_time_recursive"] == []  # of version 1
        assert first["precpu_stats"]["cpu_usage"]["total_usage"] == 0
        assert "lo" not in first["networks"]
        second = await stats.sample(c, first)
        assert second["precpu_stats"] == first["cpu_stats"]
        assert second["preread"] == first["read"]

    run(main)


def test_figures_asked_for_once_have_those_of_a_moment_ago_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "WINDOW", 0.001)

    async def main() -> None:
        c = container(1, status="running", pid=os.getpid())
        shim: Any = FakeShim()
        c.shim, shim.figures = shim, FIGURES
        found = await stats.once(c)
        assert list(found) == [*FIELDS, "networks"]
        assert found["precpu_stats"]["cpu_usage"] == found["cpu_stats"]["cpu_usage"]
        assert found["precpu_stats"]["system_cpu_usage"] < found["cpu_stats"]["system_cpu_usage"]
        assert times.ZERO < found["preread"] < found["read"]
        c.state.status, c.shim = "exited", None
        assert (await stats.once(c))["read"] == times.ZERO

    run(main)


def test_version_one_tells_no_limit_that_is_not_set() -> None:
    async def main() -> None:
        c = container(1, status="paused", pid=0)
        shim: Any = FakeShim()
        c.shim, shim.figures = shim, {"version": 1, "cpu": {}, "memory": {}, "pids": {"current": 2}, "block": {}}
        assert (await stats.sample(c, None))["pids_stats"] == {"current": 2}

    run(main)


def test_version_two_without_limits() -> None:
    async def main() -> None:
        c = container(1, status="paused", pid=0)
        shim: Any = FakeShim()
        figures: dict[str, Any] = {"version": 2, "cpu": {}, "memory": {"usage": 1}, "pids": {}, "block": {}}
        c.shim, shim.figures = shim, figures
        found = await stats.sample(c, None)
        assert "max_usage" not in found["memory_stats"]
        assert found["memory_stats"]["limit"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        assert found["pids_stats"] == {"current": 0, "limit": 2**64 - 1}
        assert "percpu_usage" not in found["cpu_stats"]["cpu_usage"]
        assert found["networks"] == {}

    run(main)


def test_one_that_does_not_run_is_all_zero() -> None:
    async def main() -> None:
        found = await stats.sample(container(1, status="exited"), None)
        assert list(found) == FIELDS
        assert found["cpu_stats"]["cpu_usage"]["total_usage"] == 0
        assert found["memory_stats"] == {}

    run(main)


LISTING = """UID          PID    PPID CMD
root           1       0 /sbin/init
root          42       1 sleep 1 000
nobody       421      42 sh -c x   y
"""


def test_top_shows_only_the_containers_own() -> None:
    assert stats.top(container(), [42, 421, 5], LISTING) == {
        "Titles": ["UID", "PID", "PPID", "CMD"],
        "Processes": [["root", "42", "1", "sleep 1 000"], ["nobody", "421", "42", "sh -c x   y"]],
    }


@pytest.mark.parametrize("listing", ["", "COMMAND\nsleep\n"])
def test_a_listing_without_numbers_is_of_no_use(listing: str) -> None:
    with pytest.raises(Conflict, match=r"^Couldn't find PID field in ps output$"):
        stats.top(container(), [1], listing)
