"""The image store: resolving as Docker does, tagging, holding, collecting, and staying right over restarts."""

import asyncio
import json
import os
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, sha, stream, tar

from carrack.errors import InvalidArgument, NotFound
from carrack.oci import platform, reference

BASE = tar({"etc/hosts": b"x"})
CONFIG = config_for([BASE])
ID = sha(CONFIG)


@pytest.fixture
def loaded(world: World) -> World:
    asyncio.run(world.loader.load(stream(docker_archive([(CONFIG, [BASE], ["app:1", "r.io:5000/a/b:2"])]))))
    return world


def resolve(world: World, text: str) -> Any:
    return asyncio.run(world.store.resolve(text))


@pytest.mark.parametrize(
    "text", ["app:1", "docker.io/library/app:1", "r.io:5000/a/b:2", ID, ID[7:], ID[7:19], ID[:20], ID[7:8]]
)
def test_resolve(loaded: World, text: str) -> None:
    assert resolve(loaded, text).id == ID


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app", "No such image: app:latest"),
        ("app:2", "No such image: app:2"),
        ("0" * 64, "No such image: sha256:" + "0" * 64),
        ("user/nope", "No such image: user/nope:latest"),
    ],
)
def test_not_found(loaded: World, text: str, message: str) -> None:
    with pytest.raises(NotFound) as caught:
        resolve(loaded, text)
    assert str(caught.value) == message


def test_bad_names(loaded: World) -> None:
    with pytest.raises(InvalidArgument, match="must be lowercase"):
        resolve(loaded, "App")


def test_an_ambiguous_prefix_names_nothing(loaded: World) -> None:
    configs = [config_for([BASE], author=str(n)) for n in range(40)]
    asyncio.run(loaded.loader.load(stream(docker_archive([(c, [BASE], []) for c in configs]))))
    shared = next(d for d in "0123456789abcdef" if sum(i.id[7] == d for i in loaded.store) > 1)
    with pytest.raises(NotFound):
        resolve(loaded, shared)


def test_tag_moves_a_name_and_survives(loaded: World) -> None:
    other = config_for([BASE], author="x")
    asyncio.run(loaded.loader.load(stream(docker_archive([(other, [BASE], [])]))))
    asyncio.run(loaded.store.tag(resolve(loaded, sha(other)), reference.parse("app:1")))
    assert loaded.told[-1] == ("tag", "app:1")
    asyncio.run(loaded.reopen())
    assert resolve(loaded, "app:1").id == sha(other)
    assert resolve(loaded, "app:1").last_tagged > 0
    assert resolve(loaded, ID).tags == ("r.io:5000/a/b:2",)
    assert loaded.store.named(reference.parse("app:1")) is not None


def test_untag(loaded: World) -> None:
    asyncio.run(loaded.store.untag(reference.parse("app:1")))
    asyncio.run(loaded.store.untag(reference.parse("never:there")))
    with pytest.raises(NotFound):
        resolve(loaded, "app:1")
    asyncio.run(loaded.reopen())
    assert resolve(loaded, ID).tags == ("r.io:5000/a/b:2",)


def test_containers_and_holders_keep_layers(loaded: World) -> None:
    image = resolve(loaded, ID)
    loaded.held = [sha(BASE)]
    asyncio.run(loaded.store.remove(image))
    asyncio.run(loaded.store.collect())
    assert loaded.layers.has(sha(BASE))
    assert not loaded.content.has(ID)
    loaded.held = []

    async def held() -> None:
        async with loaded.store.hold(image):
            assert await loaded.store.collect() == 0
            assert loaded.layers.has(sha(BASE))

    asyncio.run(held())
    assert asyncio.run(loaded.store.collect()) == len(BASE)
    assert not loaded.layers.has(sha(BASE))


def test_add_needs_the_layers(world: World) -> None:
    with pytest.raises(InvalidArgument, match="is missing"):
        asyncio.run(world.store.add(CONFIG))
    assert len(world.store) == 0


def test_tagging_what_is_gone(loaded: World) -> None:
    image = resolve(loaded, ID)
    asyncio.run(loaded.store.remove(image))
    with pytest.raises(NotFound):
        asyncio.run(loaded.store.tag(image, reference.parse("x")))


def test_children(loaded: World) -> None:
    assert loaded.store.children(ID) == []
    assert [image.id for image in loaded.store] == [ID]


def test_images_of_one_index_are_siblings(loaded: World) -> None:
    arm = config_for([BASE], architecture="arm64")
    amd = config_for([BASE], architecture="amd64", author="x")
    name = reference.parse("multi:1")

    async def add() -> None:
        await loaded.store.add(arm, index=b"the index")
        await loaded.store.add(amd, [name], index=b"the index", manifest=b"the manifest")

    asyncio.run(add())
    asyncio.run(loaded.reopen())
    found = resolve(loaded, "multi:1")
    assert (found.id, found.index) == (sha(amd), sha(b"the index"))
    assert [image.id for image in loaded.store.siblings(found)] == [sha(arm)]
    assert loaded.store.siblings(resolve(loaded, ID)) == []
    assert loaded.content.read(sha(b"the index"), 100) == b"the index", "the collector keeps it"
    wanted = platform.parse("linux/arm64")
    assert asyncio.run(loaded.store.resolve("multi:1", wanted)).id == sha(arm)
    assert asyncio.run(loaded.store.resolve("multi:1", platform.parse("linux/amd64"))).id == sha(amd)
    with pytest.raises(NotFound, match=r"multi:1 was found but its platform \(linux/amd64\) does not match"):
        asyncio.run(loaded.store.resolve("multi:1", platform.parse("linux/s390x")))

    async def drop() -> None:
        for image in (found, resolved_arm):
            await loaded.store.remove(image)
        await loaded.store.collect()

    resolved_arm = resolve(loaded, sha(arm))
    asyncio.run(drop())
    assert not loaded.content.has(sha(b"the index"))
    assert not loaded.content.has(sha(b"the manifest"))


def test_what_came_of_pulls_that_failed_goes_when_asked_or_when_old(world: World) -> None:
    with world.content.partial(ID) as partial:
        partial.write(b"x")
    asyncio.run(world.store.collect())
    assert partial.path.exists()
    asyncio.run(world.store.collect(empty=True))
    assert not partial.path.exists()
    with world.content.partial(ID) as partial:
        partial.write(b"x")
    os.utime(partial.path, (1, 1))
    asyncio.run(world.store.collect())
    assert not partial.path.exists()


def test_the_same_image_again_is_no_news_but_for_the_time(loaded: World) -> None:
    written: list[bool] = []
    write = loaded.records.write

    async def counted(work: Any, *, durable: bool = True, spare: bool = False) -> Any:
        written.append(durable)
        return await write(work, durable=durable, spare=spare)

    async def run() -> None:
        loaded.records.write = counted  # type: ignore[method-assign]
        name = reference.parse("app:1")
        before = resolve_now().last_tagged
        image, moved = await loaded.store.add(CONFIG, [name], tagged=True)
        assert (written, moved) == ([], [])
        assert image.last_tagged > before
        await loaded.store.add(CONFIG, [reference.parse("app:2")], tagged=True)
        assert written == [True]

    def resolve_now() -> Any:
        found = loaded.store.named(reference.parse("app:1"))
        assert found is not None
        return found

    asyncio.run(run())
    ((document,),) = loaded.records.read("SELECT document FROM image")
    assert json.loads(document)["last_tagged"] == resolve_now().last_tagged
