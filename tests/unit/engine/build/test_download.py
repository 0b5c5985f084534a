"""Files over HTTP, and servers that keep who asks for them waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.fakes.elsewhere import web

from carrack.engine.build.download import Line, opened
from carrack.errors import CarrackError, InvalidArgument, Unavailable


@contextmanager
def dripping(first: bytes) -> Iterator[tuple[str, threading.Event]]:
    """A server that says this, and then nothing; the event is that it has."""
    said = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def serve() -> None:
            sock, _ = listener.accept()
            held.append(sock)
            sock.recv(65536)
            sock.sendall(first)
            said.set()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/f", said
        thread.join()
        for each in held:
            each.close()


def _read(url: str, line: Line) -> bytes:
    with opened(url, {}, line) as answer:
        return answer.read()


def _caught(act: Callable[[], object], found: list[Exception]) -> None:
    try:
        act()
    except CarrackError as error:
        found.append(error)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"])
def test_who_waits_may_cut_it_off_whatever_is_to_come(first: bytes) -> None:
    found: list[Exception] = []
    with dripping(first) as (url, said), Line() as line:
        thread = threading.Thread(target=_caught, args=(lambda: _read(url, line), found))
        thread.start()
        assert said.wait(5)
        time.sleep(0.05)
        line.cut()
        thread.join(5)
        assert not thread.is_alive()
    assert all(isinstance(each, Unavailable) for each in found)


def test_nothing_is_begun_once_it_was_cut() -> None:
    with web({"/f": b"text"}) as address, Line() as line:
        assert _read(f"{address}/f", line) == b"text"
        line.cut()
        with pytest.raises(Unavailable, match="nobody waits"):
            _read(f"{address}/f", line)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/caf\u00e9.txt", "/caf%C3%A9.txt"),
        ("/a b{c}<d>", "/a%20b%7Bc%7D%3Cd%3E"),
        ("/a%2Fb;c=d,e@f:g&h=i+j!'()*[1]", "/a%2Fb;c=d,e@f:g&h=i+j!'()*[1]"),
        ("/a?q={b}c#d e", "/a?q={b}c"),
        ("/a?q=\u00e9 %zz", "/a?q=%C3%A9%20%zz"),
        ("/\udcff", "/%FF"),
    ],
)
def test_what_no_address_has_is_escaped(path: str, asked: str) -> None:
    """Of paths, as dockerd asked for them."""
    with web({asked: b"found"}) as address, Line() as line:
        assert _read(address + path, line) == b"found"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/f", "http://[::1/f", "http://h:x/f"])
def test_what_is_no_address(url: str) -> None:
    with Line() as line, pytest.raises(InvalidArgument, match="could not be fetched"):
        _read(url, line)
