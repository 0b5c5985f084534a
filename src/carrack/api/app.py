"""The HTTP face as a whole: finds the route, checks the version, calls the handler, renders answer or failure.

Routes are looked up on the decoded path, like dockerd's router does, so `%2F` in an image's name is a slash. A part
`{id}` matches any number of segments, and none. Nothing a handler raises stops the daemon.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from aiohttp import web_request, web_response

from carrack.api import stream, versions
from carrack.api.auth import Door
from carrack.api.errors import error_response
from carrack.api.guard import Guard
from carrack.api.request import Request
from carrack.api.response import HEADERS, Response, StreamResponse, fields_of, json_response, text
from carrack.engine.authorization import Authorizer
from carrack.errors import InvalidArgument
from carrack.http.answers import Unanswered, WholeResponse
from carrack.http.hijack import Hijacked

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

NATIVE = "/grpc"
"""The route that clients who speak HTTP/2 from the first byte are led to: see `http.preface`."""

_VERSION = re.compile(r"/v([0-9.]+)(?=/)")
_PART = re.compile(r"\{([a-z_]+)(?::\.\*)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of a route table: `Route("GET", "/containers/{id}/json", handler)`.

    As with dockerd, HEAD is answered only where the table names it.
    """

    method: str
    path: str
    handler: Handler


class Router:
    """Finds the route of a path. Routes are indexed by method, first segment and last segment."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[tuple[str, str], Handler] = {}
        self._patterns: dict[tuple[str, str, str], list[tuple[re.Pattern[str], Handler]]] = {}
        for route in routes:
            self._add(route)

    def find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]] | None:
        """The handler and the path's named parts, or None."""
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed, {}
        first = path[1:].partition("/")[0]
        for last in (path.rpartition("/")[2], ""):
            for pattern, handler in self._patterns.get((method, first, last), ()):
                match = pattern.fullmatch(path)
                if match:
                    return handler, match.groupdict()
        return None

    def _add(self, route: Route) -> None:
        if "{" not in route.path:
            if self._fixed.setdefault((route.method, route.path), route.handler) is not route.handler:
                raise ValueError(f"{route.method} {route.path} is in the route tables twice")
            return
        pattern = ""
        position = 0
        for part in _PART.finditer(route.path):
            pattern += re.escape(route.path[position : part.start()])
            pattern += f"(?P<{part[1]}>.*)"
            position = part.end()
        pattern += re.escape(route.path[position:])
        first = route.path[1:].partition("/")[0]
        last = route.path.rpartition("/")[2]
        key = route.method, first, "" if "{" in last else last
        self._patterns.setdefault(key, []).append((re.compile(pattern, re.DOTALL), route.handler))


class Application:
    """The callable that `http.server.Server` serves."""

    def __init__(
        self,
        routes: Iterable[Route],
        door: Door | None = None,
        authorizer: Authorizer | None = None,
        minimum: versions.Version = versions.MINIMUM,
        experimental: bool = False,
    ) -> None:
        self._router = Router(routes)
        self._door = door or Door()
        self._authorizer = authorizer
        self._minimum = minimum
        self._headers = {**HEADERS, "Docker-Experimental": str(experimental).lower()}

    async def __call__(self, raw: web_request.BaseRequest) -> web_response.StreamResponse:
        """Answer one request."""
        request: Request | None = None
        headers: Mapping[str, str] = self._headers
        try:
            self._door.check(raw)
            handler, request = self._resolve(raw)
            if self._authorizer is not None and self._authorizer.names:
                await request.admit(Guard(self._authorizer, raw, *_split(raw.raw_path)))
            answer = await handler(request)
            if isinstance(answer, StreamResponse) and request.hijacked is None:
                return await stream.send(raw, answer, headers, _permission(request, answer, headers))
        except stream.ClientGone:
            return Unanswered()
        except ConnectionError as error:
            if raw.transport is None or raw.transport.is_closing():
                return Unanswered()
            answer = error_response(error, _named(raw))
        except _Unrouted as refused:
            answer, headers = refused.answer, refused.headers
        except Exception as error:
            answer = error_response(error, _named(raw))
        if request is not None and request.hijacked is not None:
            request.hijacked.close()
            return Hijacked(request.hijacked)
        if request is not None and request.upgraded is not None:
            await request.upgraded.finish()
            return request.upgraded.response
        if request is not None and request.guard is not None:
            try:
                await request.guard.release(answer, headers)
            except Exception as error:
                answer = error_response(error, _named(raw))
        response = _render(raw, answer, headers)
        held_back = raw.headers.get("Expect") and (request is None or request.expected_to_continue)
        if held_back or (request is not None and request.lent):
            # A body that the client holds back, or that the engine has not seen, is not to be taken for a request.
            response.force_close()
        return response

    def _resolve(self, raw: web_request.BaseRequest) -> tuple[Handler, Request]:
        if raw.method == "OPTIONS" and raw.raw_path == "*":
            raise _Unrouted(Response(200), {})
        path, query = _split(raw.raw_path)
        clean = _clean(path)
        if clean != path:
            raise _Unrouted(Response(301, headers={"Location": quote(clean) + (f"?{query}" if query else "")}), {})
        version = versions.CURRENT
        match = _VERSION.match(path)
        handler, parts = self._find(raw.method, path[match.end() :] if match else path)
        if match:
            version = _version(match[1], self._minimum)
        return handler, Request(raw, parts, query, version, self._headers)

    def _find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        found = (_options, {}) if method == "OPTIONS" else self._router.find(method, path)
        if found is None:
            raise _Unrouted(json_response({"message": "page not found"}, status=404), {})
        return found


class _Unrouted(Exception):
    """An answer to what reaches no handler, with the headers that dockerd sends there."""

    def __init__(self, answer: Response, headers: Mapping[str, str]) -> None:
        super().__init__(answer.status)
        self.answer = answer
        self.headers = headers


_VERSIONED = {name: value for name, value in HEADERS.items() if name != "Docker-Experimental"}


def _version(word: str, minimum: versions.Version) -> versions.Version:
    try:
        return versions.parse(word, minimum)
    except versions.TooOld as refused:
        answer = text(f"{refused}\n", status=400, headers={"X-Content-Type-Options": "nosniff"})
    except InvalidArgument as refused:
        answer = json_response({"message": str(refused)}, status=400)
    raise _Unrouted(answer, _VERSIONED)


def _split(target: str) -> tuple[str, str]:
    """The decoded path and the raw query of a request target, which may be an absolute URI (RFC 9112 section 3.2)."""
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise InvalidArgument("malformed request target")
        target = "/" + rest.partition("/")[2]
    path, _, query = target.partition("?")
    if "%" in path:
        path = unquote_to_bytes(path).decode("utf-8", "replace")
    if "\0" in path:
        raise InvalidArgument("the path holds a NUL byte")
    return path, query


def _clean(path: str) -> str:
    """The path without empty and dot segments: dockerd's router sends clients there, so that one thing has one name."""
    if "//" not in path and "/." not in path:
        return path
    clean = posixpath.normpath(path).replace("//", "/", 1)
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _named(raw: web_request.BaseRequest) -> str:
    """A request in the log: without its query, where a URL may hold a password."""
    return f"{raw.method} {raw.raw_path.partition('?')[0]}"


def _permission(
    request: Request, answer: StreamResponse, headers: Mapping[str, str]
) -> Callable[[], Awaitable[None]] | None:
    guard = request.guard
    return None if guard is None else lambda: guard.release(answer, headers)


async def _options(request: Request) -> Response:
    return Response(200)


def _render(raw: web_request.BaseRequest, answer: Response, base: Mapping[str, str]) -> web_response.StreamResponse:
    headers = fields_of(answer, base)
    if raw.method == "HEAD":
        headers["Content-Length"] = str(len(answer.body))
    return WholeResponse(status=answer.status, body=answer.body, headers=headers)
