"""Which protocol the first bytes of a connection are of."""

from __future__ import annotations

import pytest

from carrack.http.preface import PREFACE, Opening


@pytest.mark.parametrize("size", [1, 3, 23, 24, 100])
def test_a_preface_in_pieces(size: int) -> None:
    opening, data = Opening("/grpc"), PREFACE + b"more"
    found = None
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        found = opening.take(piece) if found is None else found + piece
    assert opening.native
    assert found is not None
    head, _, rest = found.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /grpc HTTP/1.1\r\n")
    assert rest == data


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.1", b"POST /", b"PRI * HTTP/2.0\r\n\r\nXX"])
def test_all_else_is_left_alone(data: bytes) -> None:
    opening = Opening("/grpc")
    assert opening.take(data[:1]) == (None if data[:1] == b"P" else data[:1])
    opening = Opening("/grpc")
    assert opening.take(data) == data
    assert not opening.native


def test_what_may_become_one_waits() -> None:
    opening = Opening("/grpc")
    assert opening.take(b"P") is None
    assert opening.begun == b"P"
    assert opening.take(b"UT /x") == b"PUT /x"
