"""Heads of answers."""

from __future__ import annotations

import re

import pytest

from carrack.http.answer_head import answer_head


def test_fields_length_and_date() -> None:
    head = answer_head(200, "OK", {"X-A": "b"}, 5).decode()
    assert re.fullmatch(r"HTTP/1\.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\nDate: \w{3}, .* GMT\r\n\r\n", head)
    assert b"Content-Length" not in answer_head(204, "No Content", {}, 0)
    assert answer_head(200, "OK", {"Content-Length": "7"}, 0).count(b"Content-Length") == 1


def test_whether_the_connection_stays() -> None:
    assert b"Connection" not in answer_head(200, "OK", {}, 0)
    assert b"Connection: close" in answer_head(200, "OK", {}, 0, keep_alive=False)
    assert b"Connection: keep-alive" in answer_head(200, "OK", {}, 0, minor=0)
    assert b"Connection" not in answer_head(200, "OK", {}, 0, minor=0, keep_alive=False)


def test_a_line_end_in_a_header_is_never_written() -> None:
    with pytest.raises(ValueError, match="line end"):
        answer_head(200, "OK", {"X-A": "b\r\nX-Evil: 1"}, 0)
