"""The registry as a function from requests to answers: who asks, what for, whether it is permitted, and who does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from carrack.errors import words
from carrack.registry_server.blobs import Blobs
from carrack.registry_server.lists import Lists
from carrack.registry_server.manifests import Manifests
from carrack.registry_server.message import Answer, Problem, Request
from carrack.registry_server.mirror import Mirror
from carrack.registry_server.repositories import Repositories
from carrack.registry_server.rights import Identity, Rights
from carrack.registry_server.routes import Handle, Route, find
from carrack.registry_server.uploads import Uploads

_WRITES = ("PUT", "POST", "PATCH", "DELETE")
_VERSION = {"Docker-Distribution-API-Version": "registry/2.0", "X-Content-Type-Options": "nosniff"}


class Gatekeeper(Protocol):
    """Tells who asks, and asks those who are not known."""

    def identify(self, request: Request) -> Identity:
        """Who it is; Problem UNAUTHORIZED for wrong credentials. Without any: nobody."""

    def challenge(self, request: Request, repository: str, actions: str) -> dict[str, str]:
        """The header that asks for credentials (for these comma-separated actions); {} where none would help."""

    def token(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """The answer to a request for a token."""


class Open:
    """A gatekeeper for a registry that knows no users."""

    def identify(self, request: Request) -> Identity:
        """Gatekeeper."""
        return Identity()

    def challenge(self, request: Request, repository: str, actions: str) -> dict[str, str]:
        """Gatekeeper."""
        return {}

    def token(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """Gatekeeper."""
        raise Problem("UNSUPPORTED", "this registry gives no tokens", status=404)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is permitted: rights of users, and whether anything may be changed (`closed`: why not)."""

    rights: Rights = field(default_factory=Rights)
    closed: str = ""


class App:
    """Call it with a request."""

    def __init__(
        self, repositories: Repositories, uploads: Uploads, gatekeeper: Gatekeeper | None = None,
        policy: Policy | None = None, mirror: Mirror | None = None,
    ) -> None:  # fmt: skip
        self._gatekeeper = gatekeeper or Open()
        self._policy = policy or Policy()
        self._repositories = repositories
        blobs = Blobs(repositories, uploads, self._may_pull)
        manifests, lists = Manifests(repositories), Lists(repositories, self._visible)
        self.table: dict[str, dict[str, Handle]] = {
            "check": {"GET": _check},
            "catalog": {"GET": lists.catalog},
            "token": {"GET": self._gatekeeper.token, "POST": self._gatekeeper.token},
            "tags": {"GET": lists.tags},
            "manifest": {"GET": manifests.get, "PUT": manifests.put, "DELETE": manifests.delete},
            "uploads": {"POST": blobs.begin},
            "upload": {"GET": blobs.progress, "PATCH": blobs.append, "PUT": blobs.finish, "DELETE": blobs.cancel},
            "blob": {"GET": blobs.get, "DELETE": blobs.delete},
            "referrers": {"GET": lists.referrers},
        }
        if mirror is not None:
            self.table["manifest"]["GET"], self.table["blob"]["GET"] = mirror.manifest, mirror.blob
            self.table["tags"]["GET"], self.table["referrers"]["GET"] = mirror.tags, mirror.referrers

    def __call__(self, request: Request) -> Answer:
        """The answer to it; refusals are answers."""
        try:
            answer = self._answer(request)
        except Problem as problem:
            answer = problem.answer()
        except OSError as error:
            if isinstance(error, (ConnectionError, TimeoutError)):
                raise
            answer = Problem("UNAVAILABLE", f"the registry's disk: {words(error)}").answer()
        answer.headers.update(_VERSION)
        return answer

    def _answer(self, request: Request) -> Answer:
        route = find(request.method, request.path)
        if route.place == "token":
            return self._handle(route, request)(request, route.parts)
        identity = self._gatekeeper.identify(request)
        self._permit(request, route, identity)
        if request.method in _WRITES and self._policy.closed:
            raise Problem("UNSUPPORTED", self._policy.closed)
        return self._handle(route, request)(request, route.parts)

    def _handle(self, route: Route, request: Request) -> Handle:
        methods = self.table[route.place]
        handle = methods.get("GET" if request.method == "HEAD" else request.method)
        if handle is None:
            allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
            raise Problem("UNSUPPORTED", f"{request.method} is not done here", headers={"Allow": allowed})
        return handle

    def _permit(self, request: Request, route: Route, identity: Identity) -> None:
        rights, name = self._policy.rights, route.parts.get("name", "")
        if name:
            self._repositories.get(name)  # for it goes into rights and headers
        if route.place in ("check", "catalog"):
            if rights.closed and not identity.user and identity.granted is None:
                raise self._unauthorized(request, "", "")
            return
        if rights.allows(identity, name, route.action):
            return
        actions = "pull,push" if route.action == "push" else route.action
        if not identity.user or (identity.granted is not None and route.action in rights.actions(identity.user, name)):
            raise self._unauthorized(request, name, actions)
        raise Problem("DENIED", f"{identity.user} may not {route.action} in repository {name[:255]}")

    def _unauthorized(self, request: Request, name: str, actions: str) -> Problem:
        challenge = self._gatekeeper.challenge(request, name, actions)
        if not challenge:
            return Problem("DENIED", f"nobody may {actions} in repository {name[:255]}")
        return Problem("UNAUTHORIZED", "log in first", headers=challenge)

    def _may_pull(self, request: Request, name: str) -> bool:
        return self._policy.rights.allows(self._gatekeeper.identify(request), name, "pull")

    def _visible(self, request: Request, name: str) -> bool:
        return "pull" in self._policy.rights.actions(self._gatekeeper.identify(request).user, name)


def _check(request: Request, parts: Mapping[str, str]) -> Answer:
    """GET /v2/: the registry is one, and the asker may come in."""
    return Answer(200, {"Content-Type": "application/json"}, b"{}")
