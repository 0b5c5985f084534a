"""Files of the json-file driver: foreign lines, attributes, compressed files."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.containers import run

from carrack.engine.containers import jsonlog, logs
from carrack.engine.containers.logs import LogLine, LogQuery
from carrack.model import times
from carrack.shim.logfile import LogFile

SECOND = 10**9


def line(text: str, stream: str = "stdout", at: int = SECOND) -> bytes:
    return json.dumps({"log": text, "stream": stream, "time": times.rfc3339(at)}).encode() + b"\n"


def reading(path: Path, query: LogQuery = LogQuery()) -> list[str]:  # noqa: B008 - frozen
    found: list[str] = []

    async def main() -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async for batch in logs.read(str(path), jsonlog.FORMAT, query, ended):
            found.extend(entry.text.decode() for entry in batch)

    run(main)
    return found


@pytest.mark.parametrize(
    "junk",
    [b"", b"{", b"[]", b"1", b"null", b"\xff\xfe", b'{"log":"x"}', b'{"log":1,"stream":"stdout","time":"1"}',
     b'{"log":"x","stream":"stdout","time":5}', b'{"log":"x","stream":"stdout","time":"never"}', b"[" * 100_000],
)  # fmt: skip
def test_foreign_lines_are_none(junk: bytes) -> None:
    assert jsonlog.parse(junk) is None


@given(st.binary(max_size=60))
def test_any_bytes_give_an_entry_or_none(junk: bytes) -> None:
    assert jsonlog.parse(junk) is None or isinstance(jsonlog.parse(junk), LogLine)


def test_an_entry() -> None:
    assert jsonlog.parse(line("é\n", "stderr")) == LogLine(2, "1970-01-01T00:00:01Z", "é\n".encode())
    assert jsonlog.parse(b'{"log":"\\ud800","stream":"stdout","time":"1970-01-01T00:00:01Z"}').text == b"?"  # type: ignore[union-attr]


def test_attributes_of_an_entry() -> None:
    entry = jsonlog.parse(b'{"log":"x","stream":"stdout","attrs":{"a":"b","n":1},"time":"1970-01-01T00:00:01Z"}')
    assert entry is not None
    assert entry.attributes == {"a": "b", "n": "1"}
    assert jsonlog.parse(b'{"log":"x","stream":"stdout","attrs":[1],"time":"1970-01-01T00:00:01Z"}') is None


@pytest.mark.parametrize("cut", [0, 9])
def test_compressed_files_are_read_as_far_as_they_are_whole(tmp_path: Path, cut: int) -> None:
    whole = gzip.compress(b"".join(line(f"{n}\n", at=n * SECOND) for n in range(1, 5)))
    (tmp_path / "x.log.1.gz").write_bytes(whole[: len(whole) - cut])
    (tmp_path / "x.log").write_bytes(line("5\n", at=5 * SECOND))
    assert reading(tmp_path / "x.log") == ["1\n", "2\n", "3\n", "4\n", "5\n"]
    assert reading(tmp_path / "x.log", LogQuery(tail=2)) == ["4\n", "5\n"]
    assert reading(tmp_path / "x.log", LogQuery(tail=1, since=2 * SECOND, until=3 * SECOND)) == ["3\n"]


def test_what_is_no_gzip_is_empty(tmp_path: Path) -> None:
    (tmp_path / "x.log.1.gz").write_bytes(b"rubbish")
    (tmp_path / "x.log").write_bytes(line("1\n"))
    assert reading(tmp_path / "x.log") == ["1\n"]


def test_the_writer_compresses_and_everything_is_read(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    writer = LogFile(fd, "x.log", 1000, 3, compress=True)
    for number in range(40):
        writer.write("stdout", b"line %d\n" % number)
    writer._await_child()
    writer.close()
    os.close(fd)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log", "x.log.1.gz", "x.log.2.gz"]
    found = reading(tmp_path / "x.log")
    assert found == [f"line {n}\n" for n in range(40 - len(found), 40)]
    assert len(found) > 25
