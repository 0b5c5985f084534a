"""A scrape: the engine's figures, and those of containers with their labels."""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

from tests.fakes.containers import container
from tests.unit.engine.containers.test_stats import FIGURES

from carrack.engine.containers.record import Container
from carrack.engine.meter import Meter
from carrack.engine.system.info import Counts, Settings, SystemInfo
from carrack.engine.system.metrics import Metrics, Sources
from carrack.errors import Conflict


async def counts() -> Counts:
    return Counts(running=1, paused=0, stopped=2, images=3)


async def names() -> dict[str, int]:
    return {"asked": 8, "malformed": 2, "waiting": 1}


def scrape(*containers: Container, troubled: Container | None = None) -> dict[str, str]:
    """Sample → value."""

    def troubles(c: Container) -> dict[str, Any] | None:
        return {"Dropped": 7, "Lost": 1, "Error": ""} if c is troubled else None

    info = SystemInfo(
        Settings("id-1", "/data", "erofs"), counts=counts, listeners=lambda: 0, api_version="1.51",
        minimum_api_version="1.41",
    )  # fmt: skip
    meter = Meter(on=True)
    meter.timed(info, "host", info="system_info")
    sources = Sources(counts, lambda: containers, lambda: (12, 3), lambda: (5, 4), troubles, names)
    text = asyncio.run(Metrics(meter, info, sources).text())
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_the_engine() -> None:
    told = scrape()
    assert told['engine_daemon_container_states_containers{state="stopped"}'] == "2"
    assert told["engine_daemon_events_total"] == "12"
    assert told["engine_daemon_events_subscribers_total"] == "3"
    assert told["engine_daemon_health_checks_total"] == "5"
    assert told["engine_daemon_health_checks_failed_total"] == "4"
    assert (told["names_asked_total"], told["names_malformed_total"], told["names_waiting"]) == ("8", "2", "1")
    assert "names_failed_total" not in told
    assert int(told["engine_daemon_engine_cpus_cpus"]) >= 1
    assert int(told["engine_daemon_engine_memory_bytes"]) > 0
    (facts,) = (name for name in told if name.startswith("engine_daemon_engine_info{"))
    assert 'daemon_id="id-1",graphdriver="erofs"' in facts


def test_containers_with_their_labels() -> None:
    running = container(1, {"Labels": {"com.example/x": "1"}}, status="running", pid=os.getpid(), started_at=2 * 10**9)

    class Shim:
        async def stats(self) -> dict[str, Any]:
            return FIGURES

    running.shim = cast(Any, Shim())
    ended = container(2, status="exited", oom_killed=True, restart_count=3)
    told = scrape(running, ended, troubled=running)
    one = f'{{id="{running.id}",image="busybox",name="name1",container_label_com_example_x="1"'
    other = f'{{id="{ended.id}",image="busybox",name="name2"'
    assert told[f'container_state{one},state="running"}}'] == "1"
    assert told[f"container_start_time_seconds{one}}}"] == "2"
    assert told[f"container_restart_count{other}}}"] == "3"
    assert told[f"container_oom_killed{other}}}"] == "1"
    assert told[f"container_cpu_usage_seconds_total{one}}}"] == "1e-08"
    assert told[f"container_memory_usage_bytes{one}}}"] == "100"
    assert told[f"container_log_dropped_messages_total{one}}}"] == "7"
    assert told[f"container_log_lost_messages_total{one}}}"] == "1"
    assert f"container_log_lost_messages_total{other}}}" not in told
    assert told[f"container_memory_cache{one}}}"] == "1"
    assert told[f'container_fs_reads_bytes_total{one},device="8:0"}}'] == "1"
    assert f"container_memory_usage_bytes{other}}}" not in told


def test_one_that_gives_no_figures_does_not_spoil_the_page() -> None:
    going = container(1, status="running", pid=os.getpid())

    class Gone:
        async def stats(self) -> None:
            raise Conflict("it is gone")

    shim: Any = Gone()
    going.shim = shim
    told = scrape(going)
    assert told["engine_daemon_events_total"] == "12"
    assert not any(name.startswith("container_memory") for name in told)
