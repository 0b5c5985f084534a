"""Files of the local driver: tails and spans of time read only what they need, torn and compressed files, following."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.fakes.containers import run
from tests.fakes.following import Follower

from carrack.engine.containers import locallog, logs
from carrack.engine.containers.logs import LogQuery
from carrack.shim.logs.lines import Message, Part
from carrack.shim.logs.localfile import LocalFile

SECOND = 10**9
WIDE = b"x" * 1000


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


def reading(path: Path, query: LogQuery = LogQuery()) -> list[str]:  # noqa: B008 - frozen
    found: list[str] = []

    async def main() -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async for batch in logs.read(str(path), locallog.FORMAT, query, ended):
            found.extend(entry.text.decode() for entry in batch)

    run(main)
    return found


def numbers(found: list[str]) -> list[int]:
    return [int(text.split()[0]) for text in found]


def write(file: LocalFile, first: int, end: int) -> None:
    for number in range(first, end):
        file.add([Message(1 + number % 2, number * SECOND, b"%d " % number + WIDE)])


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each reading took."""
    sizes: list[int] = []
    pread = os.pread

    def counting(fd: int, size: int, at: int) -> bytes:
        data = pread(fd, size, at)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counting)
    return sizes


@pytest.mark.parametrize("compress", [False, True])
def test_an_index_spares_reading(directory: int, tmp_path: Path, counted: list[int], compress: bool) -> None:
    """Of 4 MB in three files only the blocks that matter are read."""
    file = LocalFile(directory, "l", 1_500_000, 3, compress)
    write(file, 1, 4001)
    file._await_child()
    file.close()
    counted.clear()
    assert numbers(reading(tmp_path / "l", LogQuery(tail=3))) == [3998, 3999, 4000]
    assert sum(counted) < 600_000
    counted.clear()
    span = LogQuery(since=2000 * SECOND, until=2005 * SECOND)
    assert numbers(reading(tmp_path / "l", span)) == list(range(2000, 2006))
    assert sum(counted) < 1_200_000
    assert numbers(reading(tmp_path / "l", LogQuery(since=2000 * SECOND, until=2005 * SECOND, tail=2))) == [2004, 2005]
    assert numbers(reading(tmp_path / "l", LogQuery(stdout=False, since=3997 * SECOND))) == [3997, 3999]
    everything = numbers(reading(tmp_path / "l"))
    assert everything == list(range(everything[0], 4001))


def test_a_clock_that_jumps_hides_nothing(directory: int, tmp_path: Path) -> None:
    file = LocalFile(directory, "l", 0, 1, False)
    years = 10 * 365 * 86400 * SECOND
    for at, text in ((years, b"then"), (0, b"before"), (2 * years, b"after")):
        file.add([Message(1, at + n, text + WIDE) for n in range(70)])
    file.close()
    assert len(reading(tmp_path / "l", LogQuery(since=years - 1, until=years + 1000))) == 70
    assert len(reading(tmp_path / "l", LogQuery(until=1000))) == 70


def test_a_torn_end_and_a_piece_of_a_line(directory: int, tmp_path: Path) -> None:
    file = LocalFile(directory, "l", 0, 1, False)
    file.add([Message(1, 5, b"whole"), Message(1, 5, b"piece", Part("p", 1, False))])
    file.close()
    with (tmp_path / "l").open("ab") as torn:
        torn.write(b"\x05\0\0\0\x01torn")
    assert reading(tmp_path / "l") == ["whole\n", "piece"]
    assert reading(tmp_path / "l", LogQuery(tail=1)) == ["piece"]


@pytest.mark.parametrize("tail", [False, True])
def test_a_file_that_was_just_begun_has_not_even_a_head(directory: int, tmp_path: Path, tail: bool) -> None:
    """As a follower may find it while the log is rotated; the head and what follows it come before he reads on."""
    (tmp_path / "l").touch()
    source = locallog.LocalSource(str(tmp_path / "l"))
    if tail:
        source.skip()
    file = LocalFile(directory, "l", 0, 1, False)
    size = os.fstat
    with pytest.MonkeyPatch.context() as patch:
        empty = os.stat_result([0] * 10)
        patch.setattr(os, "fstat", lambda fd: empty if fd == source._fd else size(fd))
        file.add([Message(1, 5, b"first")])
        assert [entry and entry.text for _, entry in source.entries(LogQuery())] == [b"first\n"]
    file.add([Message(1, 6, b"second")])
    assert [entry and entry.text for _, entry in source.entries(LogQuery())] == [b"second\n"]
    source.close()
    file.close()


def test_what_is_none_of_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b"rubbish that is no log")
    (tmp_path / "l.1.z").write_bytes(b"rubbish")
    assert reading(tmp_path / "l") == []
    assert reading(tmp_path / "l", LogQuery(tail=2)) == []


@pytest.mark.parametrize("files", [1, 2, 3])
@pytest.mark.parametrize("tail", [None, 0])
def test_following_through_rotation(
    directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, tail: int | None
) -> None:
    writer = LocalFile(directory, "l", 100, files, files > 2)
    found: list[str] = []

    async def main() -> None:
        follower = Follower(monkeypatch)
        ended = asyncio.get_running_loop().create_future()

        async def reader() -> None:
            query = LogQuery(follow=True, tail=tail)
            async for batch in logs.read(str(tmp_path / "l"), locallog.FORMAT, query, ended):
                found.extend(entry.text.decode() for entry in batch)

        task = asyncio.get_running_loop().create_task(reader())
        await follower.after()
        for number in range(12):
            await follower.after(partial(writer.write, "stdout", f"line {number}\n".encode()))
        ended.set_result(None)
        await task

    run(main)
    writer._await_child()
    writer.close()
    assert found == [f"line {n}\n" for n in range(12)]
