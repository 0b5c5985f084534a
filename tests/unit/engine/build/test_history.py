"""The history of builds, and what is left of it by a daemon that died."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.building import Workshop

from carrack.engine.build.history import CANCELLED, COMPLETE, DELETED, STARTED, History, Record
from carrack.engine.build.progress import Vertex
from carrack.engine.build.recording import Recording
from carrack.errors import InvalidArgument, NotFound

VERTEX = Vertex("sha256:a", "[1/2] RUN x")


async def build(history: History, ref: str, *, cached: bool = False) -> Record:
    recording = Recording()
    async with history.of(ref, "dockerfile.v0", {"filename": "D"}, [{"Type": "image", "Attrs": {}}], recording) as made:
        recording.started(VERTEX)
        recording.log(VERTEX, 1, ref.encode())
        recording.ended(VERTEX, cached=cached)
        made.answer = {"k": "v"}
    return made


def again(workshop: Workshop) -> History:
    found = History(workshop.world.records, workshop.world.folder / "history", workshop.jobs.start, most=3)
    found.load()
    return found


def rows(workshop: Workshop) -> list[str]:
    return [ref for (ref,) in workshop.world.records.read("SELECT ref FROM build_record")]


async def logs(history: History, ref: str) -> list[str]:
    return [event["text"] async for event in history.events(ref) if event["do"] == "log"]


def test_a_build_and_the_next_daemon(workshop: Workshop) -> None:
    async def run() -> None:
        made = await build(workshop.history, "one", cached=True)
        assert await logs(workshop.history, "one") == ["one"]  # before it is on disk
        await workshop.jobs.drain()
        assert await logs(workshop.history, "one") == ["one"]
        assert workshop.history.recording("one") is None
        next_one = again(workshop)
        assert next_one.get("one") == made
        assert (made.total, made.cached, made.done, made.error) == (1, 1, 1, "")
        assert await logs(next_one, "one") == ["one"]

    asyncio.run(run())


def test_passwords_of_addresses_are_not_kept(workshop: Workshop) -> None:
    async def run() -> Record:
        given = {"context": "https://me:secret@h/r.git", "context:n": "https://me:secret@h/x", "build-arg:A": "a:b@c"}
        async with workshop.history.of("one", "f", given, [], Recording()) as made:
            return made

    found = asyncio.run(run()).attributes
    assert "secret" not in repr(found)
    assert found["build-arg:A"] == "a:b@c"


def test_failures(workshop: Workshop) -> None:
    async def run() -> None:
        with pytest.raises(InvalidArgument):
            async with workshop.history.of("bad", "f", {}, [], Recording()):
                raise InvalidArgument("the text of https://me:secret@h/x")
        with pytest.raises(asyncio.CancelledError):
            async with workshop.history.of("gone", "f", {}, [], Recording()):
                raise asyncio.CancelledError
        assert workshop.history.get("bad").error == "the text of https://me:xxxxx@h/x"
        assert workshop.history.get("gone").code == CANCELLED
        await workshop.jobs.drain()

    asyncio.run(run())


def test_builds_of_a_daemon_that_died(workshop: Workshop) -> None:
    async def run() -> None:
        async with workshop.history.of("going", "f", {}, [], Recording()):
            while not rows(workshop):  # noqa: ASYNC110 - of something that tells nobody
                await asyncio.sleep(0.01)
            stale = workshop.world.folder / "history" / "stale.new"
            stale.parent.mkdir(exist_ok=True)
            stale.touch()
            found = again(workshop)
            assert "the daemon ended" in found.get("going").error
            assert not stale.exists()
            assert await logs(found, "going") == []
        await workshop.jobs.drain()

    asyncio.run(run())


def test_names(workshop: Workshop) -> None:
    async def run() -> None:
        for ref in ("abc", "abd", "x"):
            await build(workshop.history, ref)
        history = workshop.history
        assert (history.get("^0").ref, history.get("^2").ref, history.get("abd").ref) == ("x", "abc", "abd")
        assert history.get("abc") is history.get("abc")
        with pytest.raises(InvalidArgument, match="2 builds"):
            history.get("ab")
        for ref in ("^3", "none", ""):
            with pytest.raises(NotFound):
                history.get(ref)
        with pytest.raises(NotFound):
            await logs(history, "none")
        assert (history.has("abc"), history.has("ab")) == (True, False)
        await workshop.jobs.drain()

    asyncio.run(run())


def test_older_builds_make_room(workshop: Workshop) -> None:
    async def run() -> None:
        history = again(workshop)
        await build(history, "pinned")
        await history.update("pinned", pinned=True)
        for number in range(5):
            await build(history, f"b{number}")
            await workshop.jobs.drain()
        assert [record.ref for record in history.all()] == ["b4", "b3", "b2", "pinned"]
        assert len(list((workshop.world.folder / "history").iterdir())) == 4
        assert [record.ref for record in again(workshop).all()] == ["b4", "b3", "b2", "pinned"]

    asyncio.run(run())


def test_what_happens_is_told(workshop: Workshop) -> None:
    async def run() -> None:
        seen: list[tuple[int, str]] = []

        async def listen() -> None:
            async for kind, record in workshop.history.listen():
                seen.append((kind, record.ref))
                if kind == DELETED:
                    return

        listening = asyncio.get_running_loop().create_task(listen())
        await asyncio.sleep(0)
        made = await build(workshop.history, "one")
        await workshop.jobs.drain()
        assert await workshop.history.remove([made]) == ["one"]
        await listening
        assert seen == [(STARTED, "one"), (COMPLETE, "one"), (DELETED, "one")]
        assert list((workshop.world.folder / "history").iterdir()) == []

    asyncio.run(run())


def test_a_record_that_cannot_be_read(workshop: Workshop, tmp_path: Path) -> None:
    async def run() -> None:
        await workshop.world.records.write(lambda c: c.execute("INSERT INTO build_record VALUES ('k', 'what')"))
        await build(workshop.history, "one")
        await workshop.jobs.drain()
        (place,) = (workshop.world.folder / "history").iterdir()
        place.write_bytes(b"torn")
        found = again(workshop)
        assert [record.ref for record in found.all()] == ["one"]
        assert await logs(found, "one") == []

    asyncio.run(run())


def test_a_build_that_is_over_at_once_is_written_down_once(workshop: Workshop) -> None:
    written: list[bool] = []
    write = workshop.world.records.write

    async def counted(work: Any, *, durable: bool = True, spare: bool = False) -> Any:
        written.append(durable)
        return await write(work, durable=durable, spare=spare)

    async def run() -> None:
        workshop.world.records.write = counted  # type: ignore[method-assign]
        await build(workshop.history, "one")
        await workshop.jobs.drain()
        assert (len(written), rows(workshop)) == (1, ["one"])

    asyncio.run(run())
