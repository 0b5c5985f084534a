"""What a daemon that starts can answer first: that it is there, and what runs.

For the list there is no need of anything but the records and the shims' word, so it does not wait for the network, the
images and all the code behind the routes. Requests in any other form than the plainest do wait.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from carrack.api import versions
from carrack.api.response import HEADERS, Response, encoded_json, fields_of, text
from carrack.api.summaries import Summaries
from carrack.engine.containers.store import ContainerStore
from carrack.errors import InvalidArgument
from carrack.http.answer_head import answer_head
from carrack.http.head import FramingError, read

PING = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Swarm": "inactive",
}
_LINE = re.compile(
    rb"(GET|HEAD) (?:/v([0-9.]+))?(/_ping|/containers/json)"
    rb"(?:\?all=(1|0|true|false)(?:&fields=((?:[A-Za-z]|%2C)+))?)? HTTP/1\.1\r\n"
)
_CONNECTION = re.compile(rb"\r\nconnection:(?![ \t]*keep-alive[ \t]*\r\n)", re.IGNORECASE)
_NO_BODY: Mapping[bytes, list[bytes]] = {b"content-length": [b"0"]}


def ping(method: str) -> Response:
    """The answer of `/_ping`."""
    return text("" if method == "HEAD" else "OK", headers=PING)


class Early:
    """Answers from a request's head."""

    def __init__(self, store: ContainerStore, minimum: versions.Version, experimental: bool) -> None:
        self._summaries = Summaries(store)
        self._minimum = minimum
        self._headers = {**HEADERS, "Docker-Experimental": str(experimental).lower()}

    def answer(self, head: bytes) -> bytes | None:
        """The whole answer; None when it has to wait for others."""
        match = _LINE.match(head)
        if match is None or _CONNECTION.search(head) or not _bodiless(head):
            return None
        if (response := self._response(*match.groups())) is None:
            return None
        body = b"" if match[1] == b"HEAD" else response.body
        return answer_head(200, "OK", fields_of(response, self._headers), len(response.body)) + body

    def _response(
        self, method: bytes, version: bytes | None, path: bytes, everything: bytes | None, fields: bytes | None
    ) -> Response | None:
        try:
            spoken = versions.parse(version.decode(), self._minimum) if version else versions.CURRENT
        except InvalidArgument:
            return None
        if path == b"/_ping":
            return ping(method.decode()) if everything is None else None
        if method == b"HEAD":
            return None
        names = (fields or b"").decode().replace("%2C", ",")
        try:
            return encoded_json(self._summaries.unfiltered(everything in (b"1", b"true"), spoken, names))
        except InvalidArgument:
            return None  # for the server to refuse


def _bodiless(head: bytes) -> bool:
    try:
        fields = read(head)
    except FramingError:
        return False  # for the server to refuse
    return all(name == b"host" or values == _NO_BODY.get(name) for name, values in fields.items())
