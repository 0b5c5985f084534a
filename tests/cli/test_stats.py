"""Figures that a container without limits and files of its own does not show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Cli, api

pytestmark = pytest.mark.root


def stats(docker: Cli, name: str) -> Any:
    status, answer = api(docker.daemon, "GET", f"/containers/{name}/stats?stream=0&one-shot=1")
    assert status == 200, answer
    return json.loads(answer)


@pytest.mark.census(
    *(
        f"GET /containers/{{id}}/stats → blkio_stats.{table}_recursive[].{field}"
        for table in ("io_service_bytes", "io_serviced")
        for field in ("major", "minor", "op", "value")
    )
)
def test_what_was_written_to_disks(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "writes", image, "sleep", "100")
    docker("exec", "writes", "dd", "if=/dev/zero", "of=/file", "bs=64k", "count=4", "oflag=direct")
    figures = stats(docker, "writes")["blkio_stats"]
    rows = [row for row in figures["io_service_bytes_recursive"] or [] if row["op"].lower() == "write" and row["value"]]
    if not rows:
        pytest.skip("the disk of this machine's files is of no cgroup")
    assert max(row["value"] for row in rows) >= 4 << 16
    assert all(Path(f"/sys/dev/block/{row['major']}:{row['minor']}").exists() for row in rows)
    if Path("/sys/fs/cgroup/blkio").is_dir():  # version 2 counts the bytes alone
        calls = [row for row in figures["io_serviced_recursive"] if row["op"].lower() == "write"]
        assert max(row["value"] for row in calls) >= 4


@pytest.mark.census("GET /containers/{id}/stats → pids_stats.limit")
@pytest.mark.census("GET /containers/{id}/stats → memory_stats.failcnt")
def test_limits_and_how_often_they_were_met(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "small", "--pids-limit", "33", "-m", "16m", image, "sleep", "100")
    docker("exec", "small", "dd", "if=/dev/zero", "of=/file", "bs=1M", "count=64")
    figures = stats(docker, "small")
    assert figures["pids_stats"]["limit"] == 33
    if Path("/sys/fs/cgroup/memory").is_dir():
        assert figures["memory_stats"]["failcnt"] > 0
