"""Who asks: by a password with each request, or by a token that was given for one (Docker's token specification)."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping

from carrack.registry_server.message import Answer, Problem, Request, json_answer, query_of
from carrack.registry_server.passwords import Passwords
from carrack.registry_server.rights import ACTIONS, Identity, Rights
from carrack.registry_server.tokens import LIFE, Scope, Tokens, scopes

REALM = "carrack registry"
SERVICE = "carrack-registry"
_FORM_LIMIT = 64 << 10
_BASIC = {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'}


class ByPassword:
    """HTTP's basic authentication (RFC 7617)."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    def identify(self, request: Request) -> Identity:
        """app.Gatekeeper."""
        return Identity(_by_password(request, self._passwords))

    def challenge(self, request: Request, repository: str, actions: str) -> dict[str, str]:
        """app.Gatekeeper."""
        return _BASIC

    def token(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """app.Gatekeeper."""
        raise Problem("UNSUPPORTED", "this registry gives no tokens: log in with each request", status=404)


class ByToken:
    """Tokens, got at /token for a password; or for none, with what nobody in particular may do. `url`: where clients
    reach the registry, "" for where they say they do."""

    def __init__(self, passwords: Passwords, tokens: Tokens, rights: Rights, url: str = "") -> None:
        self._passwords = passwords
        self._tokens = tokens
        self._rights = rights
        self._url = url.rstrip("/")

    def identify(self, request: Request) -> Identity:
        """app.Gatekeeper. A password is taken in a token's place."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return Identity(_by_password(request, self._passwords))
        claims = self._tokens.claims(token.strip(), "access")
        if claims is None:
            raise Problem("UNAUTHORIZED", "the token is not valid, or no longer", headers=self._header(request, ""))
        granted = {
            (access["name"], action)
            for access in claims["access"]
            if access["type"] == "repository"
            for action in access["actions"]
        }
        return Identity(claims["sub"], frozenset(granted))

    def challenge(self, request: Request, repository: str, actions: str) -> dict[str, str]:
        """app.Gatekeeper."""
        return self._header(request, f',scope="repository:{repository}:{actions}"' if repository else "")

    def token(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """app.Gatekeeper: GET as Docker's specification has it, POST as OAuth 2 (RFC 6749)."""
        if request.method == "POST":
            form = _form(request)
            user, asked, lasting = (
                self._user(form),
                scopes([form.get("scope", "")]),
                form.get("access_type") == "offline",
            )
        else:
            user, asked = _by_password(request, self._passwords), scopes(request.scopes)
            lasting = request.query.get("offline_token", "").lower() in ("1", "true")
        token = self._tokens.access(user, self._granted(user, asked))
        document = {"token": token, "access_token": token, "expires_in": LIFE, "issued_at": _now()}
        stamp = self._passwords.stamp(user)
        if lasting and stamp:
            document["refresh_token"] = self._tokens.refresh(user, stamp)
        return json_answer(document, headers={"Cache-Control": "no-store"})

    def _user(self, form: Mapping[str, str]) -> str:
        """The user of an OAuth 2 request."""
        kind = form.get("grant_type", "")
        if kind == "password":
            user = form.get("username", "")
            if not self._passwords.right(user, form.get("password", "")):
                raise _wrong()
            return user
        if kind == "refresh_token":
            claims = self._tokens.claims(form.get("refresh_token", ""), "refresh")
            if claims is None or claims["stamp"] != self._passwords.stamp(claims["sub"]):
                raise Problem("UNAUTHORIZED", "the refresh token is not valid, or no longer: log in again")
            return str(claims["sub"])
        raise Problem("UNSUPPORTED", "grant_type is to be password or refresh_token", status=400)

    def _granted(self, user: str, asked: list[Scope]) -> list[Scope]:
        """What of the scopes the user may have."""
        found = []
        for scope in asked:
            if scope.type != "repository":
                continue
            wanted = frozenset(ACTIONS) if "*" in scope.actions else scope.actions
            actions = wanted & self._rights.actions(user, scope.name)
            if actions:
                found.append(Scope(scope.type, scope.name, actions))
        return found

    def _header(self, request: Request, scope: str) -> dict[str, str]:
        secure = request.secure or request.headers.get("x-forwarded-proto", "").lower() == "https"
        host = "".join(c for c in request.headers.get("host", "localhost") if c not in '"\\')
        url = self._url or f"{'https' if secure else 'http'}://{host}"
        return {"WWW-Authenticate": f'Bearer realm="{url}/token",service="{SERVICE}"{scope}'}


def _by_password(request: Request, passwords: Passwords) -> str:
    """The user whose password was sent, "" when none was. Problem UNAUTHORIZED when it is wrong."""
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    if not kind:
        return ""
    if kind.lower() != "basic":
        raise Problem("UNAUTHORIZED", f"{kind[:20]} is no kind of login here", headers=_BASIC)
    try:
        text = base64.b64decode(coded.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        raise _wrong() from None
    user, _, password = text.partition(":")
    if not passwords.right(user, password):
        raise _wrong()
    return user


def _form(request: Request) -> dict[str, str]:
    """The fields of an OAuth 2 request."""
    try:
        return query_of(request.body.read(_FORM_LIMIT).decode("utf-8", "replace"))[0]
    except ValueError as error:
        raise Problem("UNSUPPORTED", f"the form cannot be read: {error}", status=400) from error


def _wrong() -> Problem:
    return Problem("UNAUTHORIZED", "wrong user name or password", headers=_BASIC)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
