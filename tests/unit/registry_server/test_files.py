"""Ranges and conditions on a stored file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.own_registry import request

from carrack.registry_server import files
from carrack.registry_server.message import Answer, Problem

DIGEST = "sha256:" + "ab" * 32


def _ask(tmp_path: Path, **headers: str) -> Answer:
    path = tmp_path / "blob"
    path.write_bytes(b"0123456789")
    answer = files.answer(request("GET", "/", b"", **headers), open(path, "rb", buffering=0), DIGEST, "text/x")
    if answer.content is not None:
        answer.content.close()
    return answer


@pytest.mark.parametrize(
    ("asked", "size", "told"),
    [
        ("bytes=2-4", 3, "bytes 2-4/10"),
        ("bytes=7-", 3, "bytes 7-9/10"),
        ("bytes=7-100", 3, "bytes 7-9/10"),
        ("bytes=-4", 4, "bytes 6-9/10"),
        ("bytes=-40", 10, "bytes 0-9/10"),
        ("bytes=0-0", 1, "bytes 0-0/10"),
    ],
)
def test_ranges(tmp_path: Path, asked: str, size: int, told: str) -> None:
    answer = _ask(tmp_path, range=asked)
    assert answer.status == 206
    assert answer.content is not None
    assert (answer.content.size, answer.headers["Content-Range"]) == (size, told)


@pytest.mark.parametrize("asked", ["", "bytes=-", "bytes=4-2", "bytes=1-2,4-5", "lines=1-2", "bytes=x-"])
def test_what_is_no_single_range_means_the_whole(tmp_path: Path, asked: str) -> None:
    answer = _ask(tmp_path, range=asked)
    assert answer.status == 200
    assert answer.content is not None
    assert answer.content.size == 10
    assert answer.headers["Docker-Content-Digest"] == DIGEST


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_ranges_outside(tmp_path: Path, asked: str) -> None:
    with pytest.raises(Problem) as caught:
        _ask(tmp_path, range=asked)
    assert caught.value.status == 416
    assert caught.value.headers == {"Content-Range": "bytes */10"}


def test_conditions(tmp_path: Path) -> None:
    assert _ask(tmp_path, if_none_match=f'"{DIGEST}"').status == 304
    assert _ask(tmp_path, if_none_match='"other"').status == 200
    assert _ask(tmp_path, range="bytes=1-", if_range=f'"{DIGEST}"').status == 206
    assert _ask(tmp_path, range="bytes=1-", if_range='"other"').status == 200
