"""Jobs as the container engine gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carrack.engine.build.executing import ContainerRunner
from carrack.engine.build.running import Bound, Job
from carrack.engine.containers.transient import Ended
from carrack.errors import InvalidArgument
from carrack.shim.client import Exit, StartFailed


class FakeTransients:
    """Remembers what it was asked."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[tuple[Any, Sequence[str], Sequence[Any]]] = []

    @asynccontextmanager
    async def run(self, body: Any, layers: Any, mounts: Any, output: Any) -> AsyncIterator[Ended]:
        self.asked.append((body, layers, mounts))
        if self.failure is not None:
            raise self.failure
        output(1, b"hello")
        yield Ended(Exit(3, 0.0, True, False), lambda: None)  # type: ignore[arg-type,return-value]


def run(job: Job, transients: FakeTransients) -> tuple[int, bool, list[tuple[int, bytes]]]:
    async def go() -> tuple[int, bool, list[tuple[int, bytes]]]:
        out: list[tuple[int, bytes]] = []
        runner = ContainerRunner(transients)  # type: ignore[arg-type]
        async with runner.run(job, lambda stream, data: out.append((stream, data))) as ran:
            return ran.exit_code, ran.oom_killed, out

    return asyncio.run(go())


def test_a_job(tmp_path: Path) -> None:
    transients = FakeTransients()
    job = Job(
        ("sha256:a",), ("sh", "-c", "x"), ("A=1",), "/w", "u", "none", True, ("v/d=1",), "h", ("a:1.2.3.4",),
        (
            Bound("/b", tmp_path, readonly=False),
            Bound("/l", layers=("sha256:l",), subpath="sub"),
            Bound("/t", tmpfs=True, size=5),
        ),
        {"Memory": 7},
    )  # fmt: skip
    assert run(job, transients) == (3, True, [(1, b"hello")])
    ((body, layers, points),) = transients.asked
    host = body["HostConfig"]
    assert layers == ("sha256:a",)
    assert (body["Cmd"], body["Env"], body["User"], body["WorkingDir"], body["Hostname"]) == (
        ["sh", "-c", "x"], ["A=1"], "u", "/w", "h",
    )  # fmt: skip
    assert (host["Memory"], host["NetworkMode"], host["Privileged"], host["ExtraHosts"]) == (
        7,
        "none",
        True,
        ["a:1.2.3.4"],
    )
    assert host["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": ["v/d=1"]}]
    assert host["Tmpfs"] == {"/t": "exec,size=5"}
    assert [(point["Type"], point["Destination"], point["RW"], point.get("Subpath")) for point in points] == [
        ("bind", "/b", True, None), ("image", "/l", False, "sub"),
    ]  # fmt: skip


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(InvalidArgument, match="no such file"):
        run(Job((), ("x",), (), "/"), FakeTransients(StartFailed("exec", "no such file", 127)))
