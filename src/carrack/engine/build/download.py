"""Files over HTTP and HTTPS by the standard library, for a thread; another may cut it off.

A server that sends a byte a minute is waited for as long as it likes, in the middle of a head too. So who waits for the
file must be able to end that from outside, and the thread must be one that nobody else needs.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import string
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from carrack.errors import InvalidArgument, Unavailable
from carrack.registry import proxies
from carrack.registry.origin import Origin

_PATIENCE = 60.0
_IN_PATHS = "%/:;=@&+,$!'()*[]~"
_CONTROLS = "".join(map(chr, (*range(ord(" ")), 0x7F)))  # those are refused


class Line:
    """The connections of one download. Use as a context."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[socket.socket] = []
        self._cut = False

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._held:
            each.close()

    def cut(self) -> None:
        """End it, from whatever thread: what the other waits for fails."""
        with self._lock:
            self._cut = True
            for each in self._held:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def connect(self, *args: Any, **more: Any) -> socket.socket:
        """See socket.create_connection. Raises ConnectionAbortedError once it was cut."""
        made = socket.create_connection(*args, **more)
        with self._lock:
            if self._cut:
                made.close()
                raise ConnectionAbortedError("nobody waits for it any more")
            self._held.append(made.dup())
        return made


@contextmanager
def opened(url: str, settings: Mapping[str, str], line: Line) -> Iterator[http.client.HTTPResponse]:
    """The answer; ``settings`` are proxies as RegistrySettings has them. Raises InvalidArgument for an address that is
    none, or what the server refuses, Unavailable where nothing comes of it."""
    try:
        parts = urlsplit(url)
        origin = Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        through = proxies.choose(settings, origin)
        used = {parts.scheme: settings[f"{parts.scheme}_proxy"]} if through is not None else {}
        others = (urllib.request.ProxyHandler(used), _Redirects(), _Http(line), _Https(line))
        with urllib.request.build_opener(*others).open(_request(url), timeout=_PATIENCE) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        error.close()
        raise InvalidArgument(f"{url}: the server answered {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(f"{url} could not be fetched: {reason}") from error
    except ValueError as error:  # a port or a host that is none, or letters that no address has; also of a redirect
        raise InvalidArgument(f"{url} could not be fetched: {error}") from error


def _request(url: str) -> urllib.request.Request:
    """A request with the name and the password that an address has; they are not for whom it leads to. What no address
    has is escaped, as people write it without; in a path that is what Go escapes there."""
    parts = urlsplit(url)
    path = quote(parts.path, safe=_CONTROLS + _IN_PATHS, errors="surrogateescape")
    query = quote(parts.query, safe=_CONTROLS + string.punctuation, errors="surrogateescape")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, query=query).geturl()
    request = urllib.request.Request(bare, headers={"User-Agent": "carrack"})
    if "@" in parts.netloc:
        identity = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(identity.encode()).decode()}")
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Leads to HTTP and HTTPS only; the library would follow to FTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith(("http://", "https://")):
            fp.close()
            raise urllib.error.URLError(f"it leads to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return _open(self, http.client.HTTPConnection, req, self._line)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return _open(self, http.client.HTTPSConnection, req, self._line)


def _open(
    handler: urllib.request.AbstractHTTPHandler,
    kind: type[http.client.HTTPConnection],
    request: urllib.request.Request,
    line: Line,
) -> http.client.HTTPResponse:
    def made(host: str, **more: Any) -> http.client.HTTPConnection:
        connection: Any = kind(host, **more)
        connection._create_connection = line.connect
        return connection  # type: ignore[no-any-return]

    return handler.do_open(made, request)
