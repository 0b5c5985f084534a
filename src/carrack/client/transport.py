"""The way to the daemon: connections, the API version both sides speak, and failures in the daemon's own words.

The newest version is tried at once; only a daemon that refuses it is asked for its own through ``/_ping``, so that
the usual command pays no extra round trip.
"""

from carrack.client import document
from carrack.errors import CarrackError, InvalidArgument, Unavailable
from carrack.http.client import Connection, connect_tcp, connect_unix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from carrack.client.context import Host
    from carrack.http.client import Response, Stream

    Query = Mapping[str, Any]  # texts, numbers, truths, lists of texts and documents
    Headers = Sequence[tuple[str, str]]

NEWEST_VERSION = "1.51"
OLDEST_VERSION = "1.41"


class Refused(CarrackError):
    """The daemon answered with an error; ``status`` is the HTTP status, the text is the daemon's message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(Unavailable):
    """No daemon answers at ``url``."""

    def __init__(self, url: str, error: OSError) -> None:
        super().__init__(f"cannot connect to {url}: {error.strerror or error}")
        self.url = url
        self.error = error


class Daemon:
    """A daemon's API. Answers are decoded documents; keep-alive spares a connection per request.

    ``headers`` go with every request.
    """

    def __init__(self, host: "Host", version: str | None = None, headers: "Headers" = ()) -> None:
        self.host = host
        self.headers = tuple(headers)
        self.version = version or NEWEST_VERSION
        self._agreed = version is not None
        self._spare: Connection | None = None

    def get(self, path: str, query: "Query | None" = None, headers: "Headers" = ()) -> "Any":
        """The document at ``path``; :class:`Refused` with the daemon's message otherwise."""
        return self._document(self.call("GET", path, query, headers=headers))

    def post(self, path: str, query: "Query | None" = None, body: "Any" = None) -> "Any":
        """Send a document (or none) and return the one that answers, None when the answer is empty."""
        return self._document(self.call("POST", path, query, body))

    def delete(self, path: str, query: "Query | None" = None) -> "Any":
        return self._document(self.call("DELETE", path, query))

    def call(
        self, method: str, path: str, query: "Query | None" = None, body: "Any" = None, headers: "Headers" = ()
    ) -> "Response":
        """Send a request whose body is a document; the answer's body is the caller's to read or to close."""
        sent, data = list(headers), None
        if body is not None:
            sent, data = [*sent, ("Content-Type", "application/json")], document.dumps(body).encode()
        return self._versioned(method, path, query, sent, data)

    def ask(self, path: str, query: "Query | None" = None, method: str = "POST") -> "Callable[[], Response]":
        """Send a request without a body on a connection of its own; the result waits for the answer, which it gives.

        For what shall be under way while something else is asked. The version must have been agreed by an answer.
        """
        connection = self.connect()
        connection.send(
            method, f"/v{self.version}{path}{encode_query(query)}", [*self.headers, ("Connection", "close")]
        )

        def answer() -> "Response":
            try:
                return _accepted(connection.answer(method))
            except OSError as error:
                raise Unreachable(self.host.url, error) from error

        return answer

    def upload(
        self,
        method: str,
        path: str,
        query: "Query | None",
        body: "bytes | Iterable[bytes]",
        content_type: str = "application/x-tar",
        headers: "Headers" = (),
    ) -> "Response":
        """Send bytes, or a body of unknown length in chunks; for this the version is agreed beforehand, since it cannot
        be repeated."""
        if isinstance(body, bytes):
            return self._versioned(method, path, query, [("Content-Type", content_type), *headers], body)
        self.agree()
        return self._send(method, path, query, [("Content-Type", content_type), *headers], body)

    def hijack(self, path: str, query: "Query | None" = None, body: "Any" = None) -> "tuple[Stream, dict[str, str]]":
        """Turn a POST into a raw two-way stream; also gives the headers of the answer."""
        data = document.dumps(body).encode() if body is not None else b""
        headers = [("Content-Type", "application/json"), ("Connection", "Upgrade"), ("Upgrade", "tcp")]
        response = self._versioned("POST", path, query, headers, data)
        return response.hijack(), response.headers

    def events(self, method: str, path: str, query: "Query | None" = None, headers: "Headers" = ()) -> "Iterator[Any]":
        """The values of a streaming answer, as they come."""
        return document.stream(self.call(method, path, query, headers=headers).chunks())

    def agree(self) -> str:
        """The API version both speak, asked of the daemon when no answer has confirmed it yet."""
        if not self._agreed:
            response = self._exchange("HEAD", "/_ping", [], None)
            response.close()
            self._settle_on(response.headers.get("api-version", NEWEST_VERSION))
        return self.version

    def close(self) -> None:
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def connect(self) -> Connection:
        """A fresh connection; :class:`Unreachable` where nothing answers."""
        try:
            return self._open()
        except OSError as error:
            raise Unreachable(self.host.url, error) from error

    def _open(self) -> Connection:
        host = self.host
        if host.scheme == "unix":
            return connect_unix(host.address)
        if host.scheme == "ssh":
            from carrack.client import ssh

            return Connection(ssh.connect(host.url, host.environment))
        sock = connect_tcp(host.address, host.port)
        if host.tls is None:
            return Connection(sock, host.address)
        from carrack.http.client_tls import TlsSocket, client_context

        tls = host.tls
        context = client_context(tls.ca, tls.certificate, tls.key, verify=tls.verify)
        return Connection(TlsSocket(sock, context, host.address), host.address)

    def _versioned(
        self, method: str, path: str, query: "Query | None", headers: list[tuple[str, str]], data: bytes | None
    ) -> "Response":
        try:
            response = self._send(method, path, query, headers, data)
        except Refused as refusal:
            if self._agreed or refusal.status != 400 or "client version" not in str(refusal):
                raise
            self.agree()
            return self._send(method, path, query, headers, data)
        self._agreed = True
        return response

    def _send(
        self,
        method: str,
        path: str,
        query: "Query | None",
        headers: list[tuple[str, str]],
        body: "bytes | Iterable[bytes] | None",
    ) -> "Response":
        return _accepted(self._exchange(method, f"/v{self.version}{path}{encode_query(query)}", headers, body))

    def _exchange(
        self, method: str, target: str, headers: list[tuple[str, str]], body: "bytes | Iterable[bytes] | None"
    ) -> "Response":
        connection = self._spare
        if connection is None or not connection.reusable:
            connection = self.connect()
            if self._spare is None or not self._spare.idle:
                self._spare = connection
        try:
            connection.send(method, target, [*self.headers, *headers], body)
            document.ready()
            return connection.answer(method)
        except OSError as error:
            raise Unreachable(self.host.url, error) from error

    def _settle_on(self, offered: str) -> None:
        wanted = min(_numbers(NEWEST_VERSION), _numbers(offered))
        if wanted < _numbers(OLDEST_VERSION):
            raise InvalidArgument(
                f"the daemon at {self.host.url} speaks API version {offered}; {OLDEST_VERSION} or newer is needed"
            )
        self.version = ".".join(map(str, wanted))
        self._agreed = True

    @staticmethod
    def _document(response: "Response") -> "Any":
        data = response.read()
        return document.loads(data) if data.strip() else None


def encode_query(query: "Query | None") -> str:
    """``?all=1&filters=…``: None and False are left out, True is 1, a list repeats its name, a mapping is JSON."""
    parts = []
    for name, value in (query or {}).items():
        if value is None or value is False:
            continue
        for item in value if isinstance(value, list) else [value]:
            if item is True:
                item = 1
            elif not isinstance(item, (str, int)):
                item = document.dumps(item)
            parts.append(f"{name}={quote(str(item))}")
    return "?" + "&".join(parts) if parts else ""


def quote(text: str, safe: bytes = b"") -> str:
    """Percent-encode all but the unreserved characters of RFC 3986 and ``safe``."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" + safe
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


def _accepted(response: "Response") -> "Response":
    if response.status < 300 or response.status == 304:
        return response
    if response.status < 400:  # sent elsewhere: what was typed is a path, and the name of nothing
        response.close()
        raise Refused(404, "page not found")
    raise Refused(response.status, _message(response))


def _message(response: "Response") -> str:
    data = response.read(1 << 20)
    try:
        answer = document.loads(data)
        message = answer.get("message") if isinstance(answer, dict) else None
    except Unavailable:
        message = data.decode("utf-8", "replace").strip()
    return message or f"request returned {response.status}"


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if not all(part.isdigit() for part in parts):
        raise Unavailable(f"the daemon names a malformed API version: {version!r}")
    return tuple(map(int, parts))
