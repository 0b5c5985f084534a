"""Shows a request, and its answer, to the authorization plugins, in such a way that what they saw is what is done.

Two things follow from that (CVE-2024-41110, CVE-2026-34040):

- A body that is JSON is read whole before anybody is asked, and the handler gets those bytes and no others. A handler
  cannot read a body as a whole that was not shown. Archives stream past unseen, as with Docker.
- The path that is shown is the one that was routed: decoded once, in its one clean form.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web_request

from carrack.api.response import JSON, Response
from carrack.engine.authorization import REQUEST, RESPONSE, Authorizer
from carrack.errors import Forbidden, InvalidArgument

Document = dict[str, Any]

_SECRET = frozenset(("Authorization", "X-Registry-Auth", "X-Registry-Config", "X-Carrack-Build-Secrets"))
_WIRE = frozenset(("Host", "Transfer-Encoding"))
_AUTH = re.compile(r"(/v[0-9.]+)?/auth")
_PATH_SAFE = "/:@!$&'()*+,;=~"


class Guard:
    """One request before the plugins. `path` is as it was routed, with its version."""

    def __init__(self, authorizer: Authorizer, raw: web_request.BaseRequest, path: str, query: str) -> None:
        self._authorizer = authorizer
        self._raw = raw
        self._document: Document = {
            **_user(raw),
            "RequestMethod": raw.method,
            "RequestUri": quote(path, safe=_PATH_SAFE) + (f"?{query}" if query else ""),
        }
        self._secret = _AUTH.fullmatch(path) is not None
        self._shown: bytes | None = None
        self._admitted = False
        self._answered = False

    @property
    def shows_body(self) -> bool:
        """Whether the body belongs to what is judged: JSON does, but for the password that /auth is sent."""
        return is_json(self._raw.headers.get("Content-Type", "")) and not self._secret

    async def admit(self, body: bytes | None) -> None:
        """Have the request judged. `body` is the whole of it, None when it is not shown. Raises Forbidden, Internal."""
        self._shown = body
        if body:
            self._document["RequestBody"] = base64.b64encode(body).decode()
        self._document["RequestHeaders"] = _headers(self._raw.headers)
        self._document |= _certificates(self._raw)
        await self._authorizer.ask(REQUEST, self._document)
        self._admitted = True

    def body(self, limit: int) -> bytes | None:
        """The bytes that were judged; None for a secret, which the handler reads by itself.

        Raises Forbidden for a body that was not shown, InvalidArgument above `limit` bytes.
        """
        if self._secret:
            return None
        if self._shown is None:
            raise Forbidden("the request's body was not shown to the authorization plugins: it is no application/json")
        if len(self._shown) > limit:
            raise InvalidArgument(f"request body is too large: the limit is {limit} bytes")
        return self._shown

    @property
    def shown(self) -> bytes | None:
        """The bytes that were judged, for a handler that takes them as a stream."""
        return self._shown

    async def release(self, answer: Response, base: Mapping[str, str]) -> None:
        """Have an answer judged before its first byte is sent, once. Raises Forbidden, Internal."""
        if not self._admitted or self._answered:
            return
        self._answered = True
        headers = {**base, **answer.headers}
        if answer.content_type:
            headers["Content-Type"] = answer.content_type
        document = {**self._document, "ResponseStatusCode": answer.status}
        if answer.body and is_json(answer.content_type):
            document["ResponseBody"] = base64.b64encode(answer.body).decode()
        await self._authorizer.ask(RESPONSE, {**document, "ResponseHeaders": _headers(headers)})


def is_json(content_type: str) -> bool:
    """Whether a Content-Type names JSON, by the rule that handlers have for bodies."""
    return content_type.partition(";")[0].strip().lower() == JSON


def _headers(fields: Mapping[str, str]) -> Document:
    """Header fields under the names that Go gives them; what was repeated is one value, and secrets stay out."""
    shown: dict[str, str] = {}
    for name, value in fields.items():
        name = "-".join(word.capitalize() for word in name.split("-"))
        if name not in _SECRET and name not in _WIRE:
            shown[name] = f"{shown[name]}, {value}" if name in shown else value
    return shown


def _user(raw: web_request.BaseRequest) -> Document:
    """Who asks: the common name of a client's certificate."""
    tls = _tls(raw)
    certificate = tls.getpeercert() if tls is not None else None
    for part in (certificate or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return {"User": value, "UserAuthNMethod": "TLS"}
    return {}


def _certificates(raw: web_request.BaseRequest) -> Document:
    tls = _tls(raw)
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if not der:
        return {}
    return {"RequestPeerCertificates": [base64.b64encode(ssl.DER_cert_to_PEM_cert(der).encode()).decode()]}


def _tls(raw: web_request.BaseRequest) -> Any:
    return raw.transport.get_extra_info("ssl_object") if raw.transport is not None else None
