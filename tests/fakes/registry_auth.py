"""Who may do what at a fake registry, and its token service (distribution's "token" and "oauth" documents)."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.fakes.registry_faults import Answer, Request


@dataclass
class Auth:
    """How the registry asks for credentials; `scheme` is "none", "basic" or "bearer".

    `rights(user, repository, action)` decides ("" is nobody in particular); by default every user in `users` may do
    all and nobody else anything, but `public` repositories may be pulled by anyone.
    """

    scheme: str = "none"
    users: dict[str, str] = field(default_factory=dict)  # name: password
    public: set[str] = field(default_factory=set)
    rights: Callable[[str, str, str], bool] | None = None
    service: str = "fake.registry"
    realm: str = ""  # instead of the registry's own /token; "" its own
    path: str = "/token"
    lifetime: int = 300  # seconds; 0 leaves expires_in out
    get: bool = True  # the token service takes GET
    post: bool = True  # and OAuth2's POST; where not: 404
    member: str = "token"  # of the answer; "access_token" for OAuth2's, "both" too
    refresh: dict[str, str] = field(default_factory=dict)  # refresh (identity) token: user
    challenge: str = ""  # sent as it is instead of an honest WWW-Authenticate
    identity: bool = True  # gives an identity token to those who ask with offline_token
    tokens: dict[str, tuple[str, set[str], float]] = field(default_factory=dict)  # token: user, scopes, end

    def allowed(self, user: str, repository: str, action: str) -> bool:
        if self.rights is not None:
            return self.rights(user, repository, action)
        return bool(user) or (action == "pull" and repository in self.public)

    def revoke(self) -> None:
        """Let no token given so far be good any more."""
        self.tokens.clear()

    def check(self, request: Request, url: str, repository: str, actions: str) -> Answer | None:
        """None when the request may do `actions` ("pull", "pull,push", "delete"; "" be known), else the refusal."""
        if self.scheme == "none":
            return None
        user, scopes = self._identity(request)
        wanted = {f"repository:{repository}:{action}" for action in actions.split(",") if action and repository}
        if self.scheme == "basic":
            known = user is not None
            if known and all(self.allowed(user or "", *_split(scope)) for scope in wanted):
                return None
            return _denied() if known else self._ask("Basic", url, "")
        if user is not None and wanted <= scopes:
            return None
        scope = f"repository:{repository}:{actions}" if repository else ("registry:catalog:*" if actions else "")
        return self._ask("Bearer", url, scope, error="insufficient_scope" if user is not None else "")

    def _identity(self, request: Request) -> tuple[str | None, set[str]]:
        kind, _, value = request.authorization.partition(" ")
        if self.scheme == "basic" and kind.lower() == "basic":
            return self._basic(value), set()
        if self.scheme == "bearer" and kind.lower() == "bearer" and value in self.tokens:
            user, scopes, end = self.tokens[value]
            return (user, scopes) if time.monotonic() < end else (None, set())
        return None, set()

    def _basic(self, value: str) -> str | None:
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return None
        return user if user in self.users and self.users[user] == password else None

    def _ask(self, scheme: str, url: str, scope: str, error: str = "") -> Answer:
        words = f'Basic realm="{self.service}"'
        if scheme == "Bearer":
            words = f'Bearer realm="{self.realm or url + self.path}",service="{self.service}"'
            words += (f',scope="{scope}"' if scope else "") + (f',error="{error}"' if error else "")
        return refusal(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": self.challenge or words})

    def token(self, request: Request) -> Answer:
        """The token service: GET with basic credentials or nobody's, POST with OAuth2's form."""
        if request.method == "POST":
            return self._oauth(request) if self.post else refusal(404, "NOT_FOUND", "no such page")
        if not self.get:
            return refusal(405, "UNSUPPORTED", "method not allowed")
        asked = parse_qs(urlsplit(request.target).query)
        kind, _, value = request.authorization.partition(" ")
        user: str | None = ""
        if kind:
            user = self._basic(value) if kind.lower() == "basic" else None
        return self._grant(user, asked, offline=asked.get("offline_token") == ["true"])

    def _oauth(self, request: Request) -> Answer:
        asked = parse_qs(request.body.decode())
        one = {name: values[0] for name, values in asked.items()}
        user = None
        if one.get("grant_type") == "refresh_token":
            user = self.refresh.get(one.get("refresh_token", ""))
        elif one.get("grant_type") == "password":
            user = self._basic(base64.b64encode(f"{one.get('username')}:{one.get('password')}".encode()).decode())
        scope = [word for text in asked.get("scope", []) for word in text.split()]
        offline = one.get("access_type") == "offline"
        return self._grant(user, asked | {"scope": scope}, offline=offline, oauth=True)

    def _grant(self, user: str | None, asked: Mapping[str, list[str]], *, offline: bool, oauth: bool = False) -> Answer:
        if user is None:
            return refusal(401, "UNAUTHORIZED", "incorrect username or password")
        if asked.get("service", [self.service]) != [self.service]:
            return refusal(400, "BAD_SERVICE", f"not this service: {asked['service']}")
        scopes = set()
        for scope in asked.get("scope", []):
            kind, _, rest = scope.partition(":")
            repository, _, actions = rest.rpartition(":")
            given = (action for action in actions.split(",") if self.allowed(user, repository, action))
            scopes |= {f"{kind}:{repository}:{action}" for action in given}
        token = secrets.token_urlsafe(24)
        self.tokens[token] = (user, scopes, time.monotonic() + (self.lifetime or 60))
        names = {"both": ("token", "access_token")}.get(self.member, (self.member,))
        answer: dict[str, object] = dict.fromkeys(("access_token",) if oauth else names, token)
        if self.lifetime:
            answer["expires_in"] = self.lifetime
        if offline and user and self.identity:
            answer["refresh_token"] = secrets.token_urlsafe(24)
            self.refresh[str(answer["refresh_token"])] = user
        return Answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})


def _split(scope: str) -> tuple[str, str]:
    repository, _, action = scope.partition(":")[2].rpartition(":")
    return repository, action


def _denied() -> Answer:
    return refusal(403, "DENIED", "requested access to the resource is denied")


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """An error as the distribution specification writes one."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Answer(status, body, {"Content-Type": "application/json"} | (headers or {}))
