from __future__ import annotations

from pathlib import Path
from socket import socket
from typing import Any

import pytest
from tests.fakes.api_server import Request, response, serving

from carrack.client.context import Host
from carrack.client.transport import Daemon, Refused, Unreachable, encode_query, quote
from carrack.errors import InvalidArgument, Unavailable


def test_documents_go_out_and_come_back(tmp_path: Path) -> None:
    answers = {"GET /info": (200, {"a": [1, None]}), "POST /x": (201, {"Id": "1"}), "DELETE /x": (204, None)}
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        assert daemon.get("/info") == {"a": [1, None]}
        assert daemon.post("/x", {"name": "n"}, {"é": 1}) == {"Id": "1"}
        assert daemon.delete("/x", {"force": True}) is None
        daemon.close()
    assert [str(request) for request in server.requests] == [
        "GET /v1.51/info?",
        "POST /v1.51/x?name=n",
        "DELETE /v1.51/x?force=1",
    ]
    assert server.requests[1].document == {"é": 1}


def test_refusals_carry_status_and_words(tmp_path: Path) -> None:
    answers: dict[str, Any] = {
        "GET /a": (409, {"message": "in use"}),
        "GET /b": b"HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\noops",
        "GET /d": b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    }
    with serving(tmp_path / "s", answers) as server:
        for path, status, words in (
            ("/a", 409, "in use"),
            ("/b", 502, "oops"),
            ("/c", 404, "page not found"),
            ("/d", 404, "page not found"),
        ):
            with pytest.raises(Refused, match=words) as refusal:
                server.daemon.get(path)
            assert refusal.value.status == status


def test_the_version_is_agreed_with_an_older_daemon(tmp_path: Path) -> None:
    def info(request: Request, connection: socket) -> None:
        if "/v1.51/" in request.path:
            text = "client version 1.51 is too new. Maximum supported API version is 1.43"
            connection.sendall(response(400, {"message": text}, "Connection: close\r\n"))
        else:
            connection.sendall(response(200, {"path": request.path}, "Connection: close\r\n"))

    ping = b"HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nContent-Length: 0\r\n\r\n"
    with serving(tmp_path / "s", {"GET /info": info, "HEAD /_ping": ping}) as server:
        daemon = server.daemon
        assert daemon.get("/info") == {"path": "/v1.43/info"}
        assert daemon.agree() == "1.43"
        daemon.close()
    assert [request.method for request in server.requests] == ["GET", "HEAD", "GET"]


def test_a_daemon_that_is_too_old_or_mad(tmp_path: Path) -> None:
    for number, error in (("1.24", InvalidArgument), ("new", Unavailable)):
        ping = f"HTTP/1.1 200 OK\r\nApi-Version: {number}\r\nContent-Length: 0\r\n\r\n".encode()
        with serving(tmp_path / number, {"HEAD /_ping": ping}) as server, pytest.raises(error):
            server.daemon.agree()


def test_an_upload_agrees_first_and_is_chunked(tmp_path: Path) -> None:
    ping = b"HTTP/1.1 200 OK\r\nApi-Version: 1.60\r\nContent-Length: 0\r\n\r\n"
    with serving(tmp_path / "s", {"HEAD /_ping": ping, "PUT /x": (200, None)}) as server:
        server.daemon.upload("PUT", "/x", {"path": "/a b"}, iter([b"one", b"two"])).read()
    assert [str(request) for request in server.requests] == ["HEAD /_ping?", "PUT /v1.51/x?path=%2Fa%20b"]
    assert server.requests[1].body == b"onetwo"


def test_bytes_are_uploaded_at_once_and_again_where_the_version_is_too_new(tmp_path: Path) -> None:
    with serving(tmp_path / "s", {"POST /x": (200, None)}) as server:
        server.daemon.upload("POST", "/x", None, b"one").read()
    assert [str(request) for request in server.requests] == ["POST /v1.51/x?"]

    def take(request: Request, connection: socket) -> None:
        if "/v1.51/" in request.path:
            text = "client version 1.51 is too new. Maximum supported API version is 1.43"
            connection.sendall(response(400, {"message": text}, "Connection: close\r\n"))
        else:
            connection.sendall(response(200, None, "Connection: close\r\n"))

    ping = b"HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nContent-Length: 0\r\n\r\n"
    with serving(tmp_path / "t", {"HEAD /_ping": ping, "POST /x": take}) as server:
        server.daemon.upload("POST", "/x", None, b"one").read()
    assert [request.body for request in server.requests if request.method == "POST"] == [b"one", b"one"]


def test_a_stream_keeps_the_spare_connection_free(tmp_path: Path) -> None:
    def wait(_: Request, connection: socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.recv(1)

    with serving(tmp_path / "s", {"POST /wait": wait, "GET /info": (200, {})}) as server:
        daemon = server.daemon
        waiting = daemon.call("POST", "/wait")
        assert daemon.get("/info") == {}
        assert daemon.get("/info") == {}
        waiting.close()
        daemon.close()


def test_what_is_asked_beside_is_answered_later(tmp_path: Path) -> None:
    answers: dict[str, Any] = {
        "POST /wait": response(200, {"StatusCode": 3}, "Connection: close\r\n"),
        "POST /nothing": response(404, {"message": "page not found"}, "Connection: close\r\n"),
        "GET /info": (200, {}),
    }
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        answer = daemon.ask("/wait", {"condition": "removed"})
        refused = daemon.ask("/nothing")
        assert daemon.get("/info") == {}
        assert answer().read() == b'{"StatusCode": 3}'
        with pytest.raises(Refused, match="page not found"):
            refused()
        daemon.close()
    assert sorted(map(str, server.requests)) == [
        "GET /v1.51/info?",
        "POST /v1.51/nothing?",
        "POST /v1.51/wait?condition=removed",
    ]


def test_hijack(tmp_path: Path) -> None:
    def attach(request: Request, connection: socket) -> None:
        assert request.headers["upgrade"] == "tcp"
        connection.sendall(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nhi")

    with serving(tmp_path / "s", {"POST /attach": attach}) as server:
        stream, headers = server.daemon.hijack("/attach", {"stream": True})
        assert stream.read() == b"hi"
        assert stream.read() == b""
        stream.close()
    assert headers["content-type"] == "application/vnd.docker.raw-stream"


def test_events(tmp_path: Path) -> None:
    body = b'{"a":1}\r\n{"a":2}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with serving(tmp_path / "s", {"GET /events": answer}) as server:
        assert list(server.daemon.events("GET", "/events")) == [{"a": 1}, {"a": 2}]


def test_nobody_there(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/none"
    with pytest.raises(Unreachable) as failure:
        Daemon(Host(url, "unix", f"{tmp_path}/none")).get("/info")
    assert (failure.value.url, type(failure.value.error)) == (url, FileNotFoundError)


def test_queries() -> None:
    assert encode_query(None) == encode_query({"a": None, "b": False}) == ""
    query = {"all": True, "n": 3, "names": ["a", "b/c"], "filters": {"x": {"y=z": True}}}
    assert encode_query(query) == "?all=1&n=3&names=a&names=b%2Fc&filters=%7B%22x%22%3A%7B%22y%3Dz%22%3Atrue%7D%7D"
    assert quote("a/ü\udc80") == "a%2F%C3%BC%80"
