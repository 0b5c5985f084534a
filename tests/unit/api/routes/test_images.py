"""The image routes through the whole HTTP face, over fake layers."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.fakes.http_peer import ask, run_with
from tests.fakes.images import HOST, World, config_for, docker_archive, sha, tar

from carrack.api.routes.images import routes
from carrack.engine.images.bootstrap import Bootstrapper
from carrack.engine.images.commit import Committer, Source
from carrack.engine.images.service import Images
from carrack.errors import Forbidden, NotFound, Unauthorized, Unavailable
from carrack.storage.walk import opened

BASE = tar({"etc/hosts": b"x" * 30_000})
CONFIG = config_for([BASE])
ARCHIVE = docker_archive([(CONFIG, [BASE], ["app:1"])])


class Commits:
    """Stands for the commit of a container: one named `box`, whose upper directory is empty."""

    def __init__(self, world: World, upper: Path) -> None:
        self.committer = Committer(world.store, world.layers, world.content)
        self.world = world
        self.upper = upper
        self.paused: list[bool] = []

    async def commit(self, container: str, name: Any, *, pause: bool, **options: Any) -> Any:
        if container != "box":
            raise NotFound(f"No such container: {container}")
        self.paused.append(pause)
        source = Source({"Cmd": ["sh"]}, lambda: opened(self.upper), await self.world.store.resolve("app:1"))
        return await self.committer.commit(source, name, **options)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


class Puller:
    """Keeps what was asked for: name, platform, whether all tags, and the user."""

    def __init__(self) -> None:
        self.pulled: list[tuple[Any, ...]] = []

    async def pull(self, name: Any, credentials: Any, emit: Any, *, platform: Any, all_tags: bool) -> None:
        self.pulled.append((str(name), str(platform) if platform else None, all_tags, credentials.username))
        if name.path == "library/absent":
            raise NotFound("no such manifest")
        if name.path in ("library/closed", "library/denied"):
            raise (Unauthorized if name.path == "library/closed" else Forbidden)("not you")
        await emit({"status": "Pulling"})
        if name.path == "library/breaks":
            raise Unavailable("broken")


@pytest.fixture
def puller() -> Puller:
    return Puller()


@pytest.fixture
def serve(world: World, tmp_path: Path, puller: Puller) -> Callable[[Callable[[str], Awaitable[None]]], None]:
    (tmp_path / "upper").mkdir()
    commits: Any = Commits(world, tmp_path / "upper")
    absent: Any = None
    pulls: Any = puller
    images = Images(
        store=world.store,
        layers=world.layers,
        loader=world.loader,
        saver=world.saver,
        importer=world.importer,
        committer=commits.committer,
        remover=world.remover,
        lister=world.lister,
        looker=world.looker,
        variants=world.variants,
        bootstrapper=Bootstrapper(world.importer, world.content, tmp_path / "b", HOST),
        commits=commits,
        keeper=world.keeper,
        workers=absent,
        client=absent,
        puller=pulls,
        pusher=absent,
    )
    return lambda client: run_with(tmp_path, routes(images), client)


def lines(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.splitlines()]


async def load(address: str) -> None:
    status, _, body = await ask(address, "/images/load?quiet=1", "POST", ARCHIVE)
    assert (status, lines(body)) == (200, [{"stream": "Loaded image: app:1\n"}])


def test_load_list_inspect_save_remove(serve: Any) -> None:
    async def client(address: str) -> None:
        await load(address)
        rows = json.loads((await ask(address, "/images/json"))[2])
        assert [(row["Id"], row["RepoTags"]) for row in rows] == [(sha(CONFIG), ["app:1"])]
        assert json.loads((await ask(address, "/images/docker.io/library/app:1/json"))[2])["Id"] == sha(CONFIG)
        assert json.loads((await ask(address, "/images/app:1/history"))[2])[0]["CreatedBy"] == "layer 0"
        status, headers, saved = await ask(address, "/images/app:1/get")
        assert (status, headers["content-type"]) == (200, "application/x-tar")
        assert (await ask(address, "/images/get?names=app:1"))[2] == saved
        status, _, body = await ask(address, "/images/app:1", "DELETE")
        assert json.loads(body)[:2] == [{"Untagged": "app:1"}, {"Deleted": sha(CONFIG)}]
        assert lines((await ask(address, "/images/load", "POST", saved))[2])[-1] == {"stream": "Loaded image: app:1\n"}

    serve(client)


def test_a_bad_load_is_told_in_the_stream(serve: Any, world: World) -> None:
    async def client(address: str) -> None:
        status, _, body = await ask(address, "/images/load", "POST", ARCHIVE[:9000])
        assert status == 200
        assert lines(body)[-1]["error"] == lines(body)[-1]["errorDetail"]["message"]

    serve(client)
    assert world.leavings() == []


def test_tag(serve: Any) -> None:
    async def client(address: str) -> None:
        await load(address)
        assert (await ask(address, "/images/app:1/tag?repo=r.io/x&tag=2", "POST"))[0] == 201
        assert (await ask(address, "/images/r.io/x:2/json"))[0] == 200
        assert (await ask(address, "/images/app:1/tag?repo=Bad", "POST"))[0] == 400
        assert (await ask(address, "/images/none/tag?repo=x", "POST"))[0] == 404

    serve(client)


def test_import(serve: Any) -> None:
    async def client(address: str) -> None:
        changes = quote("ENV A=b")
        target = f"/images/create?fromSrc=-&repo=mine&tag=1&message=m&changes={changes}&platform=linux/arm64"
        status, _, body = await ask(address, target, "POST", BASE)
        assert status == 200
        shown = json.loads((await ask(address, "/images/mine:1/json"))[2])
        assert (shown["Id"], shown["Architecture"]) == (json.loads(body)["status"], "arm64")
        assert shown["Config"]["Env"] == ["A=b"]
        assert (await ask(address, "/images/create?fromSrc=-&changes=RUN+x", "POST", BASE))[0] == 400
        assert (await ask(address, "/images/create?fromSrc=http://x/y", "POST"))[0] == 501

    serve(client)


def test_pull(serve: Any, puller: Puller) -> None:
    digest = "sha256:" + "0" * 64
    asked = {
        "fromImage=app&tag=1": ("docker.io/library/app:1", None, False),
        "fromImage=r.io/app:2&platform=arm64": ("r.io/app:2", "linux/arm64", False),
        f"fromImage=app:1&tag={digest}": (f"docker.io/library/app@{digest}", None, False),
        "fromImage=app:": ("docker.io/library/app", None, True),
    }

    async def client(address: str) -> None:
        for query, pulled in asked.items():
            status, _, body = await ask(address, f"/images/create?{query}", "POST")
            assert (status, lines(body)) == (200, [{"status": "Pulling"}])
            assert puller.pulled.pop() == (*pulled, "")
        for status, query in (
            (400, "fromImage=App&tag=1"), (400, "fromImage=app&tag=a%20b"), (403, "fromImage=scratch&tag=latest"),
            (400, "fromImage=app&platform=a/b/c/d"), (404, "fromImage=absent&tag=1"),
        ):  # fmt: skip
            assert (await ask(address, f"/images/create?{query}", "POST"))[0] == status
        _, _, body = await ask(address, "/images/create?fromImage=breaks&tag=1", "POST")
        assert lines(body) == [{"status": "Pulling"}, {"errorDetail": {"message": "broken"}, "error": "broken"}]
        given = base64.urlsafe_b64encode(json.dumps({"username": "joe", "password": "x"}).encode()).decode()
        puller.pulled.clear()
        await ask(address, "/images/create?fromImage=app&tag=1", "POST", headers=f"X-Registry-Auth: {given}\r\n")
        assert puller.pulled[0][-1] == "joe"
        unreadable = "X-Registry-Auth: ?\r\n"
        await ask(address, "/images/create?fromImage=app&tag=1", "POST", headers=unreadable)
        assert puller.pulled[-1][-1] == ""
        # who has named nobody is not to be asked for a password
        sent = f"X-Registry-Auth: {given}\r\n"
        for name, headers, told in (
            ("closed", "", 404),
            ("closed", sent, 401),
            ("denied", "", 404),
            ("denied", sent, 404),
        ):
            status, _, body = await ask(address, f"/images/create?fromImage={name}&tag=1", "POST", headers=headers)
            assert status == told
            assert (b"may require 'docker login': not you" in body) == (told == 404)

    serve(client)


def test_platforms(serve: Any) -> None:
    async def client(address: str) -> None:
        await load(address)
        arm = quote(json.dumps({"os": "linux", "architecture": "arm64"}))
        for path in ("json", "history", "get"):
            status, _, body = await ask(address, f"/images/app:1/{path}?platform={arm}")
            assert status == 404
            assert "platform" in json.loads(body)["message"]
        assert (await ask(address, "/images/app:1/json?platform=[]"))[0] == 400
        assert (await ask(address, "/images/app:1?platforms=x", "DELETE"))[0] == 400
        assert (await ask(address, f"/images/app:1?platforms={arm}", "DELETE"))[0] == 404
        assert (await ask(address, "/images/get"))[0] == 400

    serve(client)


def test_commit(serve: Any) -> None:
    async def client(address: str) -> None:
        await load(address)
        status, _, body = await ask(
            address,
            "/commit?container=box&repo=made&comment=c&pause=0",
            "POST",
            b"null",
            "Content-Type: application/json\r\n",
        )
        assert status == 201
        shown = json.loads((await ask(address, "/images/made/json"))[2])
        assert (shown["Id"], shown["Comment"]) == (json.loads(body)["Id"], "c")
        assert (await ask(address, "/commit?container=nope", "POST"))[0] == 404

    serve(client)


def test_prune(serve: Any) -> None:
    async def client(address: str) -> None:
        await load(address)
        assert json.loads((await ask(address, "/images/prune", "POST"))[2]) == {
            "ImagesDeleted": None,
            "SpaceReclaimed": 0,
        }
        everything = quote(json.dumps({"dangling": ["false"]}))
        answer = json.loads((await ask(address, f"/images/prune?filters={everything}", "POST"))[2])
        assert answer["SpaceReclaimed"] == len(BASE)
        assert answer["ImagesDeleted"][0] == {"Untagged": "app:1"}
        assert (await ask(address, "/images/json?filters=%7B%22x%22%3A%5B%221%22%5D%7D"))[0] == 400

    serve(client)


def test_bootstrap_refuses_other_names(serve: Any) -> None:
    async def client(address: str) -> None:
        status, _, body = await ask(address, "/carrack/images/bootstrap?name=alpine", "POST")
        assert status == 400
        assert "busybox, debian:bookworm" in json.loads(body)["message"]
        assert (await ask(address, "/carrack/images/bootstrap", "POST"))[0] == 400

    serve(client)
