"""Reading logs: tails over block edges, torn and foreign lines, time bounds, rotation while following."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.containers import run, settle
from tests.fakes.following import Follower

from carrack.engine.containers import jsonlog, logs
from carrack.engine.containers.logs import LogQuery
from carrack.model import times
from carrack.shim.logfile import LogFile

SECOND = 10**9


def line(text: str, stream: str = "stdout", at: int = SECOND) -> bytes:
    return json.dumps({"log": text, "stream": stream, "time": times.rfc3339(at)}).encode() + b"\n"


def write(path: Path, *lines: bytes) -> str:
    path.write_bytes(b"".join(lines))
    return str(path)


async def texts(path: str, query: LogQuery, ended: asyncio.Future[None] | None = None) -> list[str]:
    if ended is None:
        ended = asyncio.get_running_loop().create_future()
    return [entry.text.decode() async for batch in logs.read(path, jsonlog.FORMAT, query, ended) for entry in batch]


def reading(path: str, query: LogQuery = LogQuery()) -> list[str]:  # noqa: B008 - frozen
    found: list[str] = []

    async def main() -> None:
        found.extend(await texts(path, query))

    run(main)
    return found


def test_no_log_is_an_empty_log(tmp_path: Path) -> None:
    assert reading(str(tmp_path / "x.log")) == []
    assert reading(str(tmp_path / "x.log"), LogQuery(tail=5, follow=True)) == []


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 200), max_size=30),
    st.integers(0, 35),
    st.binary(max_size=20).map(lambda b: b.replace(b"\n", b" ")),
    st.integers(30, 300),
    st.integers(0, 2),
)
def test_a_tail_is_the_end_of_everything(
    tmp_path: Path, sizes: list[int], tail: int, torn: bytes, block: int, rotated: int
) -> None:
    """Whatever the blocks' edges cut, whatever the last line lacks, over rotated files as well."""
    path = tmp_path / "x.log"
    for old in tmp_path.glob("x.log*"):
        old.unlink()
    lines = [line(f"{number}:" + "x" * size) for number, size in enumerate(sizes)]
    cut = len(lines) // (rotated + 1)
    pieces = [lines[i * cut : (i + 1) * cut] for i in range(rotated)] + [lines[rotated * cut :]]
    for number, piece in enumerate(reversed(pieces)):
        write(Path(f"{path}.{number}") if number else path, *piece, torn if not number else b"")
    before, jsonlog.BLOCK = jsonlog.BLOCK, block
    try:
        everything = reading(str(path))
        assert everything == [f"{number}:" + "x" * size for number, size in enumerate(sizes)]
        assert reading(str(path), LogQuery(tail=tail)) == everything[max(0, len(everything) - tail) :]
    finally:
        jsonlog.BLOCK = before


def test_streams_and_time_bounds(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", *(line(str(n), "stderr" if n % 2 else "stdout", n * SECOND) for n in range(1, 7)))
    assert reading(path, LogQuery(stdout=False)) == ["1", "3", "5"]
    assert reading(path, LogQuery(since=3 * SECOND, until=5 * SECOND)) == ["3", "4", "5"]
    assert reading(path, LogQuery(since=2 * SECOND, stderr=False, tail=1)) == ["6"]
    assert reading(path, LogQuery(until=4 * SECOND, tail=2)) == ["3", "4"]
    assert reading(path, LogQuery(tail=0)) == []


def test_what_the_shim_writes_is_read_byte_for_byte_where_it_is_text(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    file = LogFile(fd, "x.log")
    file.write("stdout", '\x00\x1b[0m<é€😀>&"\\\u2028\r\n'.encode())
    file.write("stderr", b"\xff\xfebinary\n")
    file.write("stdout", b"no newline")
    file.close()
    os.close(fd)
    found = reading(str(tmp_path / "x.log"))
    assert found == ['\x00\x1b[0m<é€😀>&"\\\u2028\r\n', "\ufffd\ufffdbinary\n", "no newline"]


Following = Callable[[list[Callable[[], object]], LogQuery, list[bytes]], list[str]]


@pytest.fixture
def following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Following:
    return partial(_following, tmp_path, monkeypatch)


def _following(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[Callable[[], object]],
    query: LogQuery,
    first: list[bytes],
) -> list[str]:
    """Follow a log; each step is done when the reader has seen everything before it."""
    path, found = write(tmp_path / "x.log", *first), []

    async def main() -> None:
        follower = Follower(monkeypatch)
        ended = asyncio.get_running_loop().create_future()

        async def reader() -> None:
            found.extend(await texts(path, query, ended))

        task = asyncio.get_running_loop().create_task(reader())
        await follower.after()
        for step in steps[:-1]:
            await follower.after(step)
        steps[-1]()
        ended.set_result(None)
        await task

    run(main)
    return found


def appending(path: Path, *lines: bytes) -> Callable[[], object]:
    def step() -> None:
        with path.open("ab") as file:
            file.write(b"".join(lines))

    return step


def test_following_sees_what_comes_up_to_the_end(tmp_path: Path, following: Following) -> None:
    path, half = tmp_path / "x.log", line("c")
    steps = [appending(path, line("b"), half[:10]), appending(path, half[10:]), appending(path, line("d"))]
    assert following(steps, LogQuery(follow=True), [line("a")]) == ["a", "b", "c", "d"]


def test_a_tail_that_is_followed_neither_loses_nor_repeats_the_line_in_the_making(
    tmp_path: Path, following: Following
) -> None:
    half = line("c")
    steps = [appending(tmp_path / "x.log", half[10:], line("d"))]
    found = following(steps, LogQuery(follow=True, tail=1), [line("a"), line("b"), half[:10]])
    assert found == ["b", "c", "d"]


@pytest.mark.parametrize("files", [1, 2, 3])
def test_following_through_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    """The shim's own writer rotates: nothing is lost where a file is kept, and all goes on where none is."""
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    writer = LogFile(fd, "x.log", max_size=100, max_files=files)
    found: list[str] = []

    async def main() -> None:
        follower = Follower(monkeypatch)
        ended = asyncio.get_running_loop().create_future()

        async def reader() -> None:
            found.extend(await texts(str(tmp_path / "x.log"), LogQuery(follow=True), ended))

        task = asyncio.get_running_loop().create_task(reader())
        await follower.after()
        for number in range(8):
            await follower.after(partial(writer.write, "stdout", f"line {number}\n".encode()))
        ended.set_result(None)
        await task

    run(main)
    writer.close()
    os.close(fd)
    assert found == [f"line {n}\n" for n in range(8)]


def test_two_rotations_at_once_are_caught_up(tmp_path: Path, following: Following) -> None:
    path = tmp_path / "x.log"

    def rotate_twice() -> None:
        appending(path, line("end of the first"))()
        path.rename(tmp_path / "x.log.2")
        write(tmp_path / "x.log.1", line("second"))
        write(path, line("third"))

    found = following([rotate_twice, appending(path, line("more"))], LogQuery(follow=True), [line("first")])
    assert found == ["first", "end of the first", "second", "third", "more"]


def test_following_ends_with_until(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", line("a"))
    assert reading(path, LogQuery(follow=True, until=times.now() + SECOND // 20)) == ["a"]


def test_an_abandoned_reader_leaves_no_descriptor(tmp_path: Path) -> None:
    path = write(tmp_path / "x.log", line("a"))

    async def main() -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        before = set(os.listdir("/proc/self/fd"))
        reader = logs.read(path, jsonlog.FORMAT, LogQuery(follow=True), ended)
        assert [entry.text for entry in await anext(reader)] == [b"a"]
        await reader.aclose()
        await settle()
        assert set(os.listdir("/proc/self/fd")) <= before

    run(main)
