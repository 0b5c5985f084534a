"""A registry for tests, on a loopback port, honest until told otherwise; started and stopped from any thread.

    with FakeRegistry() as registry:
        stored = registry.content.add_image("library/app", "latest", [tar({"f": b"data"})])
        registry.faults.append(Fault("/blobs/", cut=100))
        ... pull f"{registry.host}/library/app" ...
        assert registry.asked("GET", "/blobs/")

`auth` says whom it lets in, `knobs` what honest registries differ in, `faults` what goes wrong. Several registries may
share one `content`: mirrors, and the other host that blobs are redirected to.
"""

from __future__ import annotations

import http.server
import os
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tests.fakes.registry_auth import Auth, refusal
from tests.fakes.registry_content import Content
from tests.fakes.registry_faults import Answer, Fault, Request, matching
from tests.fakes.registry_routes import Knobs, Routes

PIECE = 64 << 10
KEPT_BODY = 64 << 10


class FakeRegistry:
    """One registry: `host` (`127.0.0.1:port`), `url`, everything that it was asked in `requests`, oldest first.

    `name` is how clients call it, `address` where it listens.
    """

    def __init__(
        self,
        content: Content | None = None,
        *,
        auth: Auth | None = None,
        tls: ssl.SSLContext | None = None,
        name: str = "127.0.0.1",
        port: int = 0,
        address: str = "127.0.0.1",
    ) -> None:
        self.content, self.auth, self.knobs = content or Content(), auth or Auth(), Knobs()
        self.faults: list[Fault] = []
        self.headers: dict[str, str] = {}  # put on every answer
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._tls, self._name, self._port, self._address = tls, name, port, address
        self.routes = Routes(self.content, self.knobs, lambda: self.url)

    def start(self) -> Self:
        self._server = _Server(self, (self._address, self._port), self._tls)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Break all connections and free the port; started again, it has the same one."""
        self.stopping.set()
        self._server.shutdown()
        self._server.break_all()
        self._server.server_close()
        self._thread.join()
        self.stopping.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def host(self) -> str:
        return f"{self._name}:{self._port}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}"

    def asked(self, method: str = "", pattern: str = "") -> list[Request]:
        """The requests so far of that method whose target the pattern is found in."""
        return [r for r in list(self.requests) if method in ("", r.method) and re.search(pattern, r.target)]

    def answer(self, request: Request) -> Answer:
        """The honest answer."""
        if request.path == self.auth.path:
            return self.auth.token(request)
        if not request.path.startswith("/v2"):
            return refusal(404, "NOT_FOUND", "no such page")
        refused = self.auth.check(request, self.url, *self.routes.repository(request))
        return refused or self.routes.answer(request)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, registry: FakeRegistry, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.registry, self._tls = registry, tls
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def break_all(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what this is for."""


class _Broken(Exception):
    """The connection is to end here."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()
        with suppress(_Broken, OSError):
            super().handle()

    def _one(self) -> None:
        registry = self.server.registry
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        fault = matching(registry.faults, request)
        place = len(registry.requests)
        registry.requests.append(request)
        whole = self._body(request, None if fault is None else fault.take)
        asked = replace(request, body=whole)
        answer = self._faulty(asked, fault) if fault else registry.answer(asked)
        answer.headers |= registry.headers
        registry.requests[place] = replace(request, body=whole[:KEPT_BODY], status=answer.status)
        self._send(request, answer, fault or Fault(""))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _one

    def _body(self, request: Request, take: int | None) -> bytes:
        """The request's body; an upload's goes to the upload instead, piece by piece."""
        registry = self.server.registry
        target = registry.routes.body_starts_at(request)
        if target is not None and registry.auth.check(request, registry.url, *registry.routes.repository(request)):
            target = None
        elif target is None and request.method == "PATCH":
            request.headers["x-fake-misplaced"] = "1"  # type: ignore[index]
        body = target if target is not None else bytearray()
        if take is not None:
            for piece in self._pieces():
                body += piece[:take]
                take -= len(piece)
                if take <= 0:
                    raise _Broken
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        for piece in self._pieces():
            body += piece
        return b"" if target is not None else bytes(body)

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self._exactly(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            data = self._exactly(min(left, PIECE))
            left -= len(data)
            yield data

    def _exactly(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            raise _Broken
        return data

    def _faulty(self, request: Request, fault: Fault) -> Answer:
        registry = self.server.registry
        if fault.stall and fault.stall_after is None and registry.stopping.wait(fault.stall):
            raise _Broken
        if fault.redirect:
            place = fault.redirect.replace("{target}", request.target)
            return Answer(fault.status or 307, b"", {"Location": place})
        if fault.status:
            return refusal(fault.status, fault.code, fault.message) if fault.body is None else Answer(fault.status)
        return registry.answer(request)

    def _send(self, request: Request, answer: Answer, fault: Fault) -> None:
        start, size = self._range(request, answer, fault)
        headers = answer.headers | {"Content-Length": str(size if fault.length is None else fault.length)}
        if fault.chunked:
            del headers["Content-Length"]
            headers["Transfer-Encoding"] = "chunked"
        if fault.content_range and answer.status == 206:
            headers["Content-Range"] = fault.content_range
        lowered = {name.lower() for name in fault.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in lowered}
        headers |= {name: value for name, value in fault.headers.items() if value is not None}
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if request.method != "HEAD" and answer.status not in (204, 304):
            self._send_body(answer, fault, start, size)

    def _range(self, request: Request, answer: Answer, fault: Fault) -> tuple[int, int]:
        """From where, and how many bytes; makes a 206 of the answer when the request asked for a part of a blob."""
        if fault.body is not None:
            answer.body = fault.body
        whole = fault.fill
        if whole is None:
            whole = answer.body.stat().st_size if isinstance(answer.body, Path) else len(answer.body)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not asked or fault.ignore_range or answer.status != 200 or "/blobs/" not in request.path:
            return 0, whole
        first, last = int(asked[1]), min(int(asked[2] or whole - 1), whole - 1)
        if first >= whole:
            answer.status, answer.body = 416, b""
            answer.headers["Content-Range"] = f"bytes */{whole}"
            return 0, 0
        answer.status = 206
        answer.headers["Content-Range"] = f"bytes {first}-{last}/{whole}"
        return first, last - first + 1

    def _send_body(self, answer: Answer, fault: Fault, start: int, size: int) -> None:
        sent, stops = 0, sorted(stop for stop in (fault.cut, fault.stall_after) if stop is not None)
        begun = time.monotonic()
        for piece in _read(answer, fault, start, size):
            while stops and sent + len(piece) >= stops[0]:
                head, piece = piece[: stops[0] - sent], piece[stops[0] - sent :]
                self._write(head, fault)
                sent = stops.pop(0)
                self._stop(sent, fault)
            self._write(piece, fault)
            sent += len(piece)
            ahead = begun + sent / fault.speed - time.monotonic() if fault.speed else 0
            if ahead > 0 and self.server.registry.stopping.wait(ahead):
                raise _Broken
        if fault.chunked:
            self.wfile.write(b"0\r\n\r\n")
        if fault.cut is not None or (fault.length is not None and fault.length != size):
            self._stop(fault.cut or 0, fault)
            raise _Broken

    def _write(self, piece: bytes, fault: Fault) -> None:
        if piece:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if fault.chunked else piece)

    def _stop(self, at: int, fault: Fault) -> None:
        if at == fault.stall_after and self.server.registry.stopping.wait(fault.stall):
            raise _Broken
        if at == fault.cut:
            if fault.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())  # at once: closed in the usual way, it would say goodbye first
            raise _Broken

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the requests are in `requests`."""


def _read(answer: Answer, fault: Fault, start: int, size: int) -> Iterator[bytes]:
    """`size` bytes of the body from `start` on, in pieces, turned over where the fault says."""
    small = PIECE if not fault.speed else max(1, min(PIECE, fault.speed // 20))
    if fault.fill is not None:
        zeros = bytes(small)
        for at in range(0, size, small):
            yield zeros[: min(small, size - at)]
        return
    if isinstance(answer.body, Path):
        with answer.body.open("rb") as file:
            file.seek(start)
            for at in range(start, start + size, small):
                yield _turned(file.read(min(small, start + size - at)), at, fault.corrupt)
        return
    for at in range(start, start + size, small):
        yield _turned(answer.body[at : min(at + small, start + size)], at, fault.corrupt)


def _turned(piece: bytes, at: int, where: int | None) -> bytes:
    if where is None or not at <= where < at + len(piece):
        return piece
    data = bytearray(piece)
    data[where - at] ^= 0xFF
    return bytes(data)
