"""The record: what is written is read again, and who waits is told."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.fakes.containers import container, point, run

from carrack.engine.containers.record import Container, State


def test_what_is_recorded_is_read_again() -> None:
    c = container(
        1, {"Tty": True}, status="exited", exit_code=3, finished_at=5, mounts=[point("/data")], restart_count=2
    )
    again = Container.from_document(json.loads(json.dumps(c.to_document())))
    assert again.to_document() == c.to_document()
    assert again.state == c.state
    assert again.layers == c.layers
    assert again.shim is None
    assert again.stopping is False


def test_older_records_lack_fields_and_bad_ones_are_refused() -> None:
    document = container().to_document()
    del document["restart_count"]
    assert Container.from_document(document).restart_count == 0
    for broken in ({}, {**document, "state": {"strange": 1}}, {k: v for k, v in document.items() if k != "id"}):
        with pytest.raises((KeyError, TypeError)):
            Container.from_document(broken)


@pytest.mark.parametrize(
    ("status", "running"),
    [("created", False), ("running", True), ("paused", True), ("restarting", True), ("exited", False), ("dead", False)],
)
def test_what_counts_as_running(status: str, running: bool) -> None:
    assert State(status).running is running


def test_waiters_hear_their_condition_once() -> None:
    async def main() -> None:
        c = container(1, status="running")
        removed, ended, gone = c.wait("removed"), c.ended(), c.wait("removed")
        gone.cancel()
        c.state.exit_code, c.state.error = 7, "how it ended"
        c.notify("next-exit", "not-running")
        assert ended.result() == (7, "")
        assert not removed.done()
        c.state.exit_code = 8
        c.notify("removed", error="why")
        assert removed.result() == (8, "why")
        assert c.waiters == []

    run(main)


def test_who_waits_no_longer_is_forgotten() -> None:
    async def main() -> None:
        c = container(1, status="running")
        c.ended().cancel()
        await asyncio.sleep(0)
        assert c.waiters == []

    run(main)


def test_a_container_that_does_not_run_has_ended_already() -> None:
    async def main() -> None:
        c = container(1, status="exited", exit_code=4)
        assert (await c.ended()) == (4, "")

    run(main)


def test_the_run_before_must_have_left() -> None:
    async def main() -> None:
        c = container()
        await c.left()
        gone = asyncio.Event()

        async def leave() -> None:
            await gone.wait()

        c.leaving = asyncio.get_running_loop().create_task(leave())
        waiting = asyncio.get_running_loop().create_task(c.left())
        await asyncio.sleep(0)
        assert not waiting.done()
        gone.set()
        await waiting

    run(main)


def test_an_older_record_gets_the_fields_it_did_not_know() -> None:
    document = container(1, {"HostConfig": {"Memory": 1 << 30}}).to_document()
    host = {name: value for name, value in document["host_config"].items() if name not in ("Memory", "CpuShares")}
    config = {name: value for name, value in document["config"].items() if name != "StopTimeout"}
    old = Container.from_document({**document, "host_config": host, "config": config})
    assert (old.host_config["Memory"], old.host_config["CpuShares"]) == (0, 0)
    assert old.config["StopTimeout"] is None


def test_long_ranges_of_ports_are_short_in_the_record() -> None:
    bound = {f"{n}/tcp": [{"HostIp": "", "HostPort": str(n)}] for n in range(2000, 3000)}
    c = container(1, {"ExposedPorts": {port: {} for port in bound}, "HostConfig": {"PortBindings": bound}})
    document = json.loads(json.dumps(c.to_document()))
    assert len(json.dumps(document)) < 10_000
    again = Container.from_document(document)
    assert (again.config, again.host_config) == (c.config, c.host_config)
    c.host_config = {**c.host_config, "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}}
    assert c.to_document()["host_config"]["PortBindings"] == c.host_config["PortBindings"]
    old = {**document, "host_config": {**document["host_config"], "PortBindings": bound}}
    assert Container.from_document(old).host_config["PortBindings"] == bound


def test_records_of_before_there_were_many_networks() -> None:
    mac = "02:00:00:00:00:09"
    c = container(1, {"MacAddress": mac})
    document = c.to_document()
    document["networking"] = {"EndpointsConfig": {}}
    again = Container.from_document(document)
    assert (list(again.wanted), again.wanted["bridge"]["MacAddress"], again.wants_cable) == (["bridge"], mac, True)
    gone = container(2).to_document()
    gone["networking"], gone["endpoints"] = {"EndpointsConfig": {}}, {}
    assert Container.from_document(gone).wanted == {}


@pytest.mark.parametrize(
    ("body", "sandbox", "cable"),
    [
        ({}, True, True),
        ({"HostConfig": {"NetworkMode": "none"}}, True, False),
        ({"HostConfig": {"NetworkMode": "host"}}, False, False),
        ({"HostConfig": {"NetworkMode": "container:x"}}, False, False),
        ({"NetworkDisabled": True}, False, False),
        ({"HostConfig": {"NetworkMode": "front"}}, True, True),
    ],
)
def test_who_has_a_network_of_its_own(body: dict[str, object], sandbox: bool, cable: bool) -> None:
    c = container(1, body)
    assert (c.has_sandbox, c.wants_cable) == (sandbox, cable)
