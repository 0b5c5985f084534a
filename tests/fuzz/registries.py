"""Targets: what registries answer, what users send for them, and the files that say where they are."""

from __future__ import annotations

import asyncio
import base64

from tests.fakes.own_registry import request

from carrack.errors import CarrackError, InvalidArgument
from carrack.oci import reference as references
from carrack.registry import challenge, credentials, failures, limits, origin, proxies, rules
from carrack.registry import head as heads
from carrack.registry.exchange import Answer, Broken, Connection
from carrack.registry.head import Malformed
from carrack.registry.limits import retry_after
from carrack.registry.origin import Origin
from carrack.registry_server.blobs import checked
from carrack.registry_server.connection import Connection as OurConnection
from carrack.registry_server.gatekeepers import ByToken
from carrack.registry_server.message import Answer as AnswerOfOurs
from carrack.registry_server.message import Problem, Request
from carrack.registry_server.rights import Rights
from carrack.registry_server.routes import find
from carrack.registry_server.tokens import Tokens, scopes

LIMIT = 1 << 16
NAMES = [references.parse(text) for text in ("busybox", "u/app:1", "127.0.0.1:5000/a/b/c", "ghcr.io/x/y")]


def challenges(data: bytes) -> None:
    """Any field is read in no time, and what is found in it stands in it."""
    text = data.decode("latin-1")
    for found in challenge.parse([text, text[:1000]]):
        assert found.scheme == found.scheme.lower()
        assert found.scheme in text.lower()
        assert all(name in text.lower() for name in found.parameters)


def auth_headers(data: bytes) -> None:
    """A header as clients send it: refused, or credentials that can be sent on without breaking a line; never shown."""
    for text in (data.decode("latin-1"), base64.urlsafe_b64encode(data).decode()):
        for read in (credentials.decode, credentials.decode_config):
            try:
                made = read(text)
            except InvalidArgument:
                continue
            for one in made.values() if isinstance(made, dict) else [made]:
                assert not set(one.username) & set(":\r\n\0")
                if len(one.password) > 8 and one.password not in one.username + one.server_address:
                    assert one.password not in repr(one)


def refusals(data: bytes) -> None:
    """An error's body: words of bounded length that steer no terminal."""
    for status in (401, 403, 404, 429, 500, 418):
        text = str(failures.refusal(status, data, "pull of x", "127.0.0.1:5000"))
        assert text.isprintable()
        assert len(text) < 2000
    failures.codes(data)


def waits(data: bytes) -> None:
    """Retry-After and the fields of rate limits: nothing, or numbers that can be waited for and shown."""
    text = data.decode("latin-1").replace("\n", " ")
    said = heads.Headers([("Retry-After", text), ("RateLimit-Limit", text), ("RateLimit-Remaining", text)])
    seconds = retry_after(said)
    assert seconds is None or 0 <= seconds < 1e12
    found = limits.parse(said)
    assert found is None or (0 <= found.limit < 1e16 and found.seconds >= 0)


def urls(data: bytes) -> None:
    """A place that a registry names: refused, or an origin that is written as it was read; a proxy's as well."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        there, target = origin.split(origin.join("https://127.0.0.1:5000/v2/", text))
    except CarrackError:
        pass
    else:
        assert origin.split(f"{there}{target}") == (there, target)
        assert target.startswith("/")
        assert not set(target) & set(" \r\n\0")
    masked = proxies.masked(text)
    try:
        proxy = proxies.parse(text)
    except InvalidArgument:
        pass
    else:
        assert "\n" not in proxy.authorization
        assert "@" not in text or masked.rpartition("@")[0].endswith("xxxxx:xxxxx")
    proxies.choose({"https_proxy": "http://127.0.0.1:1", "no_proxy": text}, Origin("https", "10.0.0.1", 443))
    proxies.choose({"https_proxy": "http://127.0.0.1:1", "no_proxy": text}, Origin("https", "a.example", 443))


def rule_files(data: bytes) -> None:
    """registries.toml: refused, or rules under which every name leads to a place without surprises."""
    text = data.decode("utf-8", "replace")
    try:
        rules.parse_offline(text)
        found = rules.parse_rules(text)
    except InvalidArgument:
        return
    for rule in found:
        for name in NAMES:
            if rule.matches(name):
                for location in (rule.location, *(mirror.location for mirror in rule.mirrors)):
                    place = rule.rewrite(name, location) if location else ""
                    assert not set(place) & set(" \r\n\0?#@\\")
                    assert ".." not in place.split("/")


class _Said:
    """A channel on which everything has come already, in pieces; then its end."""

    def __init__(self, data: bytes, step: int) -> None:
        self._pieces = [data[at : at + step] for at in range(0, len(data), step)]

    async def receive(self, patience: float, want: int = 1) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def ready(self) -> bytes | None:
        return self._pieces.pop(0) if self._pieces else b""

    async def send(self, data: bytes | memoryview, patience: float) -> None:
        pass

    def close(self) -> None:
        pass


def answers(data: bytes) -> None:
    """Any bytes for an answer: the same status, body and failure however they are cut, within the limit."""
    found = {asyncio.run(_read(data, step)) for step in (len(data) or 1, 1 + data[0] % 50 if data else 1)}
    assert len(found) == 1
    try:
        head = heads.parse(data.partition(b"\r\n\r\n")[0])
        assert heads.body_length("GET", head) >= heads.UNTIL_CLOSE
    except Malformed:
        pass


async def _read(data: bytes, step: int) -> tuple[int, bytes, str]:
    connection = Connection(_Said(data, step), 1)
    answer: Answer | None = None
    try:
        answer = await connection.ask("GET", "/v2/", {"Host": "x"}, b"")
        body = await answer.read(LIMIT)
        assert len(body) <= LIMIT
        return answer.status, body, ""
    except (Broken, Malformed) as error:
        return answer.status if answer else 0, b"", type(error).__name__
    finally:
        if answer:
            await answer.close()


class _Client:
    """A client's socket, as the registry has it, on which everything has come already."""

    secure = False

    def __init__(self, data: bytes) -> None:
        self.rest, self.sent, self._data = b"", b"", data

    def open(self) -> None:
        pass

    def patience(self, seconds: float) -> None:
        pass

    def receive(self, size: int) -> bytes:
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def receive_into(self, view: memoryview | bytearray, *, whole: bool = False) -> int:
        piece = self.receive(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def send(self, data: bytes | memoryview, *, more: bool = False) -> None:
        self.sent += data

    def close(self, linger: float = 0.0) -> None:
        pass


def requests(data: bytes) -> None:
    """Any bytes of a client of our registry: answers that are whole, and names and places that are what they say."""
    seen: list[Request] = []

    def handle(request: Request) -> AnswerOfOurs:
        seen.append(request)
        assert "\0" not in request.headers.get("host", "")
        try:
            route = find(request.method, request.path)
        except Problem as problem:
            return problem.answer()
        digest = request.query.get("digest", "")
        try:
            assert checked(digest)[7:].isalnum()
        except Problem:
            pass
        pieces = sum(len(piece) for piece in request.body.pieces())
        return AnswerOfOurs(200, {"X-Place": route.place}, b"x" * (pieces % 100))

    client = _Client(data)
    OurConnection(client, handle, "peer").serve()  # type: ignore[arg-type]
    assert client.sent.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or not client.sent
    assert client.sent.count(b"HTTP/1.") >= len(seen) - 1


def logins(data: bytes) -> None:
    """What is sent to prove a user to our registry, in a header or a form: nobody gets in who has no password."""
    text = data.decode("latin-1")
    for kind in ("", "Basic ", "Bearer "):
        for credential in (text, base64.b64encode(data).decode()):
            try:
                who = _DOOR.identify(request("GET", "/v2/", authorization=kind + credential))
            except Problem as problem:
                status = problem.status
            else:
                status = 200 if who.user or who.granted else 401
            assert status == 401
    for form in (data, b"grant_type=password&scope=repository:a:pull&" + data, b"grant_type=refresh_token&" + data):
        try:
            answer = _DOOR.token(request("POST", "/token", form), {})
        except Problem:
            continue
        raise AssertionError(f"a token was given: {answer.body!r}")
    assert all(scope.name for scope in scopes([text]))


class _NoPasswords:
    """A file of users in which nobody is right."""

    def right(self, user: str, password: str) -> bool:
        return False

    def stamp(self, user: str) -> str | None:
        return "stamp" if user == "alice" else None


_DOOR = ByToken(_NoPasswords(), Tokens(b"k" * 32, "service"), Rights((), closed=True))  # type: ignore[arg-type]
