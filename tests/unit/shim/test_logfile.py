import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carrack.shim import logfile
from carrack.shim.logfile import LINE_LIMIT, LogFile


@pytest.fixture
def directory(tmp_path: Path) -> int:
    return os.open(tmp_path, os.O_PATH)


def entries(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def test_lines_are_entries_whole_or_in_pieces(directory: int, tmp_path: Path) -> None:
    log = LogFile(directory, "log")
    log.write("stdout", b"one\ntw")
    log.write("stderr", b"err\r\n")
    log.write("stdout", b"o\n\nrest")
    log.close()
    assert [(e["stream"], e["log"]) for e in entries(tmp_path / "log")] == [
        ("stdout", "one\n"),
        ("stderr", "err\r\n"),
        ("stdout", "two\n"),
        ("stdout", "\n"),
        ("stdout", "rest"),
    ]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640


def test_a_long_line_is_cut_at_16_kib_and_keeps_its_first_time(directory: int, tmp_path: Path) -> None:
    log = LogFile(directory, "log")
    for _ in range(5):
        log.write("stdout", b"x" * 8000)
    log.write("stdout", b"\nnext\n")
    log.close()
    found = entries(tmp_path / "log")
    assert [len(e["log"]) for e in found] == [LINE_LIMIT, LINE_LIMIT, 40000 - 2 * LINE_LIMIT + 1, 5]
    assert len({e["time"] for e in found[:3]}) == 1
    assert [e["log"].endswith("\n") for e in found] == [False, False, True, True]


def test_a_line_of_exactly_the_limit_ends_in_an_entry_of_its_own(directory: int, tmp_path: Path) -> None:
    log = LogFile(directory, "log")
    log.write("stdout", b"x" * LINE_LIMIT + b"\n")
    log.close()
    assert [len(e["log"]) for e in entries(tmp_path / "log")] == [LINE_LIMIT, 1]


def test_files_rotate_by_size(directory: int, tmp_path: Path) -> None:
    log = LogFile(directory, "log", max_size=100, max_files=3)
    for number in range(12):
        log.write("stdout", b"line %d\n" % number)
    log.close()
    kept = [e["log"] for name in ("log.2", "log.1", "log") for e in entries(tmp_path / name)]
    assert kept == [f"line {number}\n" for number in range(12 - len(kept), 12)]
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "log.2"]
    single = LogFile(directory, "single", max_size=100, max_files=1)
    for number in range(12):
        single.write("stdout", b"line %d\n" % number)
    single.close()
    assert entries(tmp_path / "single")[-1]["log"] == "line 11\n"
    assert (tmp_path / "single").stat().st_size < 200


def test_an_existing_log_is_continued(directory: int, tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        log = LogFile(directory, "log")
        log.write("stdout", text)
        log.close()
    assert [e["log"] for e in entries(tmp_path / "log")] == ["first\n", "second\n"]


def test_a_full_disk_loses_lines_and_leaves_none_torn(tmp_path: Path) -> None:
    log = LogFile(os.open("/dev", os.O_PATH), "full")  # always ENOSPC
    log.write("stdout", b"a\nb\n")
    assert log.lost == 2
    log.close()


def test_a_link_in_place_of_the_log_is_not_followed(directory: int, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / "log").symlink_to("target")
    with pytest.raises(OSError, match="symbolic links"):
        LogFile(directory, "log")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        (b"plain", b"plain"),
        (b'a"b\\c', b'a\\"b\\\\c'),
        (b"<a&b>", b"\\u003ca\\u0026b\\u003e"),
        (b"\t\x00\x1b[0m\r", b"\\u0009\\u0000\\u001b[0m\\r"),
        (b"\xff\xc3", b"\\ufffd\\ufffd"),
        ("é\u2028\U0001f600".encode(), "é\\u2028\U0001f600".encode()),
        (b"\x7f", b"\x7f"),
    ],
)
def test_text_is_escaped_as_dockers_encoder_does(text: bytes, encoded: bytes) -> None:
    assert logfile.entry(text + b"\n", "stdout", b"T") == b'{"log":"%b\\n","stream":"stdout","time":"T"}\n' % encoded


def test_times_have_no_trailing_zeros() -> None:
    assert logfile.timestamp(1_700_000_000_123_450_000) == b"2023-11-14T22:13:20.12345Z"
    assert logfile.timestamp(1_700_000_000_000_000_000) == b"2023-11-14T22:13:20Z"
    assert logfile.timestamp(1) == b"1970-01-01T00:00:00.000000001Z"
    assert datetime.fromisoformat(logfile.timestamp(86399 * 10**9).decode()) == datetime(
        1970, 1, 1, 23, 59, 59, tzinfo=UTC
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=50) | st.sampled_from([b"\n", b"\r\n", b"y" * 20000]), max_size=8))
def test_whatever_is_written_can_be_read_back(directory: int, tmp_path: Path, pieces: list[bytes]) -> None:
    log = LogFile(directory, "log")
    for piece in pieces:
        log.write("stdout", piece)
    log.close()
    read = "".join(e["log"] for e in entries(tmp_path / "log"))
    whole = b"".join(pieces)
    assert read.replace("\ufffd", "") == whole.decode(errors="ignore").replace("\ufffd", "") or not whole.isascii()
    if whole.isascii():
        assert read.encode() == whole
    (tmp_path / "log").unlink()
