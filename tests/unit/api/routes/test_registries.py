"""The routes that reach registries, through the whole HTTP face."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from tests.fakes.http_peer import ask, run_with

from carrack.api.routes.registries import routes
from carrack.errors import NotFound, Unauthorized, Unavailable
from carrack.oci.reference import Reference
from carrack.registry.credentials import ANONYMOUS, Credentials

JSON = "Content-Type: application/json\r\n"
ACCOUNT = Credentials("me", "canary", server_address="r.example")
HEADER = "X-Registry-Auth: {}\r\n".format(
    base64.urlsafe_b64encode(b'{"username":"me","password":"canary","serveraddress":"r.example"}').decode()
)


class Fake:
    """Plays the services: notes what they are asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.failure: Exception | None = None

    async def login(self, given: Credentials) -> dict[str, str]:
        self.asked.append(given)
        if self.failure:
            raise self.failure
        return {"IdentityToken": "", "Status": "Login Succeeded"}

    async def describe(self, name: Reference, given: Credentials) -> dict[str, Any]:
        self.asked.append((str(name), given))
        return {"Descriptor": {}, "Platforms": []}

    async def search(self, *asked: Any) -> list[Any]:
        self.asked.append(asked)
        return []

    async def check(self, name: Reference, platform: Any) -> None:
        if platform and platform.architecture == "arm64":
            raise NotFound("another platform")

    async def push(self, name: Reference, given: Credentials, emit: Any, *, platform: Any, all_tags: bool) -> None:
        self.asked.append((str(name), given, str(platform or ""), all_tags))
        await emit({"status": "begun"})
        if self.failure:
            raise self.failure


def serve(tmp_path: Path, fake: Fake, client: Any) -> None:
    images: Any = SimpleNamespace(remote=fake, pusher=fake)
    run_with(tmp_path, routes(images), client)


@pytest.mark.census("POST /auth", "registry POST /auth", "POST /auth → Status", "POST /auth → IdentityToken")
def test_logins(tmp_path: Path) -> None:
    fake = Fake()

    async def client(address: str) -> None:
        body = b'{"username":"me","password":"canary","serveraddress":"r.example"}'
        status, _, answer = await ask(address, "/auth", "POST", body, JSON)
        assert (status, answer) == (200, b'{"IdentityToken":"","Status":"Login Succeeded"}\n')
        assert fake.asked == [ACCOUNT]
        assert fake.asked[0].password == "canary"
        fake.failure = Unauthorized("not you")
        assert (await ask(address, "/auth", "POST", body, JSON))[::2] == (401, b'{"message":"not you"}\n')
        for wrong in (b"", b"[]", b"{", b'{"username":1}'):
            status, _, answer = await ask(address, "/auth", "POST", wrong, JSON)
            assert (status, b"canary" in answer) == (400, False)

    serve(tmp_path, fake, client)


@pytest.mark.census("GET /distribution/{name}/json*", "GET /images/search*", "registry X-Registry-Auth header")
def test_what_is_asked_for_comes_with_the_account(tmp_path: Path) -> None:
    fake = Fake()

    async def client(address: str) -> None:
        assert (await ask(address, "/distribution/r.example/a/b:1/json", headers=HEADER))[0] == 200
        assert (await ask(address, "/distribution/Bad/json"))[0] == 400
        filters = quote('{"stars":["3"]}')
        assert (await ask(address, f"/images/search?term=x&limit=3&filters={filters}", headers=HEADER))[0] == 200
        assert (await ask(address, "/images/search?term=x", headers="X-Registry-Auth: zzz\r\n"))[0] == 200
        status, _, body = await ask(address, "/images/search?term=x&limit=a")
        assert status == 400
        assert json.loads(body)["message"].startswith("invalid limit specified: strconv.Atoi")
        assert fake.asked == [
            ("r.example/a/b:1", ACCOUNT),
            ("x", 3, {"stars": ["3"]}, ACCOUNT),
            ("x", 0, {}, ANONYMOUS),
        ]

    serve(tmp_path, fake, client)


@pytest.mark.census("POST /images/{name}/push*")
def test_pushes(tmp_path: Path) -> None:
    fake = Fake()

    async def client(address: str) -> None:
        status, _, body = await ask(address, "/images/r.example/a/push?tag=1", "POST", headers=HEADER)
        assert (status, body) == (200, b'{"status":"begun"}\n')
        wanted = quote('{"os":"linux","architecture":"amd64"}')
        assert (await ask(address, f"/images/r.example/a/push?platform={wanted}", "POST"))[0] == 200
        other = quote('{"os":"linux","architecture":"arm64"}')
        assert (await ask(address, f"/images/r.example/a/push?tag=1&platform={other}", "POST"))[0] == 404
        assert (await ask(address, "/images/r.example/a/push?platform=%5B%5D", "POST"))[0] == 400
        assert (await ask(address, "/images/A/push", "POST"))[0] == 400
        assert (await ask(address, "/images/a/push?tag=%20", "POST"))[0] == 400
        assert fake.asked == [
            ("r.example/a:1", ACCOUNT, "", False),
            ("r.example/a", ANONYMOUS, "linux/amd64", True),
        ]
        for failure in (Unavailable("r.example is down"), ConnectionResetError(104, "r.example hung up")):
            fake.failure = failure
            status, _, body = await ask(address, "/images/a/push?tag=1", "POST")
            assert status == 200
            assert "r.example" in json.loads(body.splitlines()[1])["errorDetail"]["message"]

    serve(tmp_path, fake, client)
