"""The history as BuildKit's clients ask for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.building import Workshop
from tests.fakes.buildkit import FakeCall
from tests.unit.engine.build.test_history import build

from carrack.api.buildkit import messages as m
from carrack.api.buildkit.histories import Histories, message
from carrack.engine.build.enclosing import PROVENANCE, RESULT, Enclosure
from carrack.engine.build.history import COMPLETE, STARTED, Record
from carrack.engine.build.recording import Recording
from carrack.errors import InvalidArgument, NotFound
from carrack.http import protobuf

ASKED = {"ActiveOnly": False, "Ref": "", "EarlyExit": True, "Filter": [], "Limit": 0}
UPDATE = {"Ref": "one", "Pinned": False, "Delete": False, "Finalize": False}


async def ask(workshop: Workshop, path: str, asked: dict[str, Any]) -> FakeCall:
    call = FakeCall(asked)
    await Histories(workshop.history, workshop.world.content).methods()[path].serve(call)
    return call


async def listed(workshop: Workshop, **asked: Any) -> list[tuple[int, str]]:
    call = await ask(workshop, "/moby.buildkit.v1.Control/ListenBuildHistory", {**ASKED, **asked})
    assert "buildkit-current-timestamp" in call.told
    return [(event["type"], event["record"]["Ref"]) for event in call.sent]


def test_listings(workshop: Workshop) -> None:
    async def run() -> None:
        await build(workshop.history, "one")
        async with workshop.history.of("two", "f", {}, [], Recording()):
            assert await listed(workshop) == [(COMPLETE, "one"), (STARTED, "two")]
            assert await listed(workshop, ActiveOnly=True) == [(STARTED, "two")]
            assert await listed(workshop, Ref="one") == [(COMPLETE, "one")]
            assert await listed(workshop, Limit=1) == [(STARTED, "two")]
            assert len(await listed(workshop, Limit=1, Filter=["status==running"])) == 2
        await workshop.jobs.drain()

    asyncio.run(run())


def test_who_listens_on_is_told_what_happens(workshop: Workshop) -> None:
    async def run() -> None:
        call = FakeCall({**ASKED, "EarlyExit": False, "Ref": "one"})
        path = "/moby.buildkit.v1.Control/ListenBuildHistory"
        serve = Histories(workshop.history, workshop.world.content).methods()[path].serve
        listening = asyncio.get_running_loop().create_task(serve(call))
        await asyncio.sleep(0.01)
        await build(workshop.history, "one")
        await build(workshop.history, "other")
        await asyncio.sleep(0.01)
        assert [event["type"] for event in call.sent] == [STARTED, COMPLETE]
        listening.cancel()
        await workshop.jobs.drain()

    asyncio.run(run())


def test_changes(workshop: Workshop) -> None:
    async def run() -> None:
        path = "/moby.buildkit.v1.Control/UpdateBuildHistory"
        await build(workshop.history, "one")
        await workshop.jobs.drain()
        await ask(workshop, path, {**UPDATE, "Pinned": True})
        assert workshop.history.get("one").pinned
        await ask(workshop, path, {**UPDATE, "Finalize": True})
        assert workshop.history.get("one").pinned
        await ask(workshop, path, {**UPDATE, "Delete": True})
        with pytest.raises(NotFound):
            await ask(workshop, path, {**UPDATE, "Delete": True})

    asyncio.run(run())


def test_records() -> None:
    made = Enclosure(RESULT, "t", b"abc", number=1).entry()
    said = [Enclosure(PROVENANCE, "p", b"{}", platform=each).entry() for each in ("linux/amd64", "linux/arm64")]
    record = Record("r", "dockerfile.v0", {"filename": "D"}, [], 5, 7, "no", 2, enclosed=[made, *said])
    found = protobuf.decode(protobuf.encode(message(record), m.HISTORY_RECORD), m.HISTORY_RECORD)
    assert found["error"] == {"code": 2, "message": "no"}
    assert (found["Result"]["Results"][0]["key"], found["Result"]["Results"][0]["value"]["size"]) == (1, 3)
    assert found["Results"].keys() == {"linux/amd64", "linux/arm64"}
    assert found["Results"]["linux/arm64"]["Attestations"][0]["media_type"] == "p"
    assert (found["CreatedAt"]["nanos"], found["CompletedAt"]["nanos"]) == (5, 7)
    going = message(Record("r", "f"))
    assert (going["CompletedAt"], going["error"], going["Result"]) == (None, None, None)


def test_content(workshop: Workshop) -> None:
    async def run() -> None:
        digest, prefix = workshop.world.content.put(b"0123456789"), "/containerd.services.content.v1.Content/"
        info = await ask(workshop, f"{prefix}Info", {"digest": digest})
        assert protobuf.decode(protobuf.encode(info.sent[0], m.CONTENT_INFO_RESPONSE), m.CONTENT_INFO_RESPONSE)["info"]
        assert info.sent[0]["info"]["size"] == 10
        for offset, size, said in ((0, 0, b"0123456789"), (2, 3, b"234"), (8, 100, b"89"), (99, 1, b"")):
            read = await ask(workshop, f"{prefix}Read", {"digest": digest, "offset": offset, "size": size})
            assert b"".join(each["data"] for each in read.sent) == said
        with pytest.raises(NotFound):
            await ask(workshop, f"{prefix}Info", {"digest": "sha256:" + "0" * 64})
        with pytest.raises(InvalidArgument):
            await ask(workshop, f"{prefix}Read", {"digest": "../../etc/passwd", "offset": 0, "size": 0})

    asyncio.run(run())
