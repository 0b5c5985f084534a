"""Local servers that speak the flows of the large public registries, as their documentation describes them.

Each is a fake registry with what sets the vendor apart: where tokens are got and how, whom its blobs are redirected to,
and what it refuses. The hosts are loopback ports, which stand for different servers.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth, refusal
from tests.fakes.registry_content import Content
from tests.fakes.registry_faults import Answer, Fault, Request

SIGNATURE = "X-Amz-Signature=abcdef&response-content-type=application%2Foctet-stream"


class Storage(FakeRegistry):
    """Where blobs really lie (S3, Google's and Azure's storage, a CDN): a signed query lets in, and nothing else may.

    Such servers refuse a request that carries two ways to prove itself, so that a credential that follows a redirect
    is not only told to a stranger but breaks the download.
    """

    def answer(self, request: Request) -> Answer:
        if "authorization" in request.headers:
            return Answer(400, b"<Error><Code>InvalidArgument</Code>Only one auth mechanism allowed</Error>")
        if SIGNATURE not in request.target:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        return self.routes.answer(request)


@dataclass
class Tokens:
    """A vendor's token server at `path`. `give` judges a request: a user, or None for a refusal."""

    path: str
    service: str
    give: Callable[[Request], str | None]
    members: tuple[str, ...] = ("token",)
    seconds: int = 300
    methods: tuple[str, ...] = ("GET",)
    refresh: bool = False
    needs_scope: bool = False
    asked: list[Request] = field(default_factory=list)


class Vendor(FakeRegistry):
    """A registry whose tokens are got by a vendor's own rules, maybe from another host."""

    def __init__(self, tokens: Tokens, content: Content | None = None) -> None:
        super().__init__(content, auth=Auth("bearer", service=tokens.service, path=tokens.path))
        self.vendor = tokens

    def answer(self, request: Request) -> Answer:
        if request.path == self.vendor.path:
            return self.give(request)
        return super().answer(request)

    def give(self, request: Request) -> Answer:
        """The token server's answer."""
        self.vendor.asked.append(request)
        asked = parse_qs(urlsplit(request.target).query if request.method == "GET" else request.body.decode())
        user = self.vendor.give(request)
        if request.method not in self.vendor.methods:
            return refusal(405, "UNSUPPORTED", "method not allowed")
        scopes = {
            f"{scope.rpartition(':')[0]}:{action}"
            for text in asked.get("scope", [])
            for scope in text.split()
            for action in scope.rpartition(":")[2].split(",")
        }
        if user is None or asked.get("service") != [self.vendor.service]:
            return refusal(401, "UNAUTHORIZED", "authentication required")
        if self.vendor.needs_scope and not scopes and not user:
            return refusal(403, "DENIED", "requested access to the resource is denied")
        granted = {scope for scope in scopes if self.auth.allowed(user, *_split(scope))}
        token = secrets.token_urlsafe(600)  # a JWT of these servers is long
        self.auth.tokens[token] = (user, granted, time.monotonic() + self.vendor.seconds)
        document: dict[str, object] = dict.fromkeys(self.vendor.members, token)
        document |= {"expires_in": self.vendor.seconds, "issued_at": "2026-01-02T03:04:05.678Z"}
        if self.vendor.refresh and asked.get("offline_token") == ["true"]:
            document["refresh_token"] = "identity-of-" + user
        return Answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _split(scope: str) -> tuple[str, str]:
    repository, _, action = scope.partition(":")[2].rpartition(":")
    return repository, action


def basic(*pairs: tuple[str, str], anonymous: bool = False) -> Callable[[Request], str | None]:
    """Lets in these users by basic credentials, and maybe nobody in particular."""
    known = {base64.b64encode(f"{name}:{word}".encode()).decode(): name for name, word in pairs}

    def give(request: Request) -> str | None:
        kind, _, value = request.authorization.partition(" ")
        return ("" if anonymous else None) if not kind else known.get(value)

    return give


@contextmanager
def with_storage(registry: FakeRegistry) -> Iterator[Storage]:
    """Blobs of the started `registry` are redirected to a storage with a signed address."""
    with Storage(registry.content) as storage:
        place = f"{storage.url}{{target}}?{SIGNATURE}"
        registry.faults.append(Fault("/blobs/sha256:", "GET", redirect=place, times=None, when=_authorized(registry)))
        yield storage


def _authorized(registry: FakeRegistry) -> Callable[[Request], bool]:
    def when(request: Request) -> bool:
        return registry.auth.check(request, registry.url, *registry.routes.repository(request)) is None

    return when
