"""Builds in the words of the classic builder."""

from __future__ import annotations

import asyncio
from typing import Any

from carrack.dockerfile import file
from carrack.engine.build.classic import Classic
from carrack.engine.build.progress import Vertex

STAGES = file.parse("FROM a\nRUN x\nFROM b\nRUN y").stages


def vertex(stage: int, ordinal: int, text: str) -> Vertex:
    return Vertex("sha256:" + "ab" * 32, text, stage=stage, ordinal=ordinal, text=text)


def told(act: Any, **more: bool) -> str:
    async def run() -> str:
        classic = Classic(STAGES, **more)
        act(classic)
        classic.close_steps()
        classic.close()
        return "".join([str(each.get("stream", each)) async for some in classic.messages() for each in some])

    return asyncio.run(run())


def test_what_is_told_while_a_client_is_written_to() -> None:
    async def run() -> list[Any]:
        classic, found = Classic(STAGES), []
        classic.tell({"stream": "one"})
        async with asyncio.timeout(20):
            async for some in classic.messages():
                found += some
                if len(found) == 1:
                    classic.tell({"stream": "two"})
                if len(found) == 2:
                    classic.tell({"stream": "three"})
                    classic.close()
        return found

    assert [each["stream"] for each in asyncio.run(run())] == ["one", "two", "three"]


def test_in_order_whatever_comes_first() -> None:
    def act(classic: Classic) -> None:
        first, second = vertex(0, 0, "FROM a"), vertex(0, 1, "RUN x")
        other = vertex(1, 0, "FROM b")
        classic.started(other)
        classic.ended(other)
        classic.started(first)
        classic.ended(first)
        classic.started(second)
        classic.log(second, 1, b"out\n")
        classic.log(second, 2, b"err\n")
        classic.ended(second, cached=True)

    assert told(act).splitlines() == [
        "Step 1/4 : FROM a", " ---> abababababab",
        "Step 2/4 : RUN x", "out", "\x1b[91merr", "\x1b[0m ---> Using cache", " ---> abababababab",
        "Step 3/4 : FROM b", " ---> abababababab",
    ]  # fmt: skip


def test_reasons_and_warnings() -> None:
    def act(classic: Classic) -> None:
        classic.started(vertex(0, 0, "FROM a"))
        classic.ended(vertex(0, 0, "FROM a"), reason="it is new")
        classic.warned(None, "odd", 3)
        classic.ended(vertex(-1, 0, "elsewhere"))

    assert " ---> Done because it is new" in told(act, explain=True)
    assert "Done because" not in told(act)
    assert "[Warning] odd (line 3)" in told(act)


def test_quiet() -> None:
    def act(classic: Classic) -> None:
        classic.started(vertex(0, 0, "FROM a"))
        classic.tell({"aux": 1})

    assert told(act, quiet=True) == "{'aux': 1}"


def test_what_failed_is_told_too() -> None:
    def act(classic: Classic) -> None:
        classic.started(vertex(0, 1, "RUN x"))
        classic.log(vertex(0, 1, "RUN x"), 1, b"last words\n")

    assert "last words" in told(act)


def test_triggers_are_part_of_their_from() -> None:
    def act(classic: Classic) -> None:
        base, step = vertex(0, 0, "FROM a"), vertex(0, 1, "RUN x")
        first, second = vertex(0, -2, "RUN one"), vertex(0, -1, "RUN two")
        classic.started(base)
        for each in (first, second):
            classic.started(each)
            classic.log(each, 1, each.text.encode() + b"\n")
            classic.ended(each)
        classic.ended(base)
        classic.started(step)
        classic.ended(step)

    assert told(act).splitlines() == [
        "Step 1/4 : FROM a", "# Executing 2 build triggers", "RUN one", "RUN two", " ---> abababababab",
        "Step 2/4 : RUN x", " ---> abababababab",
    ]  # fmt: skip
