"""Removing images: Docker's answers and refusals."""

import asyncio
import json
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, sha, stream, tar

from carrack.engine.images.delete import Use
from carrack.errors import Conflict, InvalidArgument, NotFound
from carrack.oci import reference

BASE, TOP = tar({"etc/hosts": b"x"}), tar({"bin/app": b"y"})
CONFIG, OTHER = config_for([BASE, TOP]), config_for([BASE])
ID, OTHER_ID = sha(CONFIG), sha(OTHER)
SHORT = ID[7:19]
CONTAINER = "c" * 64


@pytest.fixture
def loaded(world: World) -> World:
    archive = docker_archive([(CONFIG, [BASE, TOP], ["app:1", "app:2"]), (OTHER, [BASE], ["base:1"])])
    asyncio.run(world.loader.load(stream(archive)))
    return world


def remove(world: World, text: str, **options: Any) -> list[dict[str, str]]:
    return asyncio.run(world.remover.remove(text, **options))


def refusal(world: World, text: str, **options: Any) -> str:
    with pytest.raises(Conflict) as caught:
        remove(world, text, **options)
    return str(caught.value)


def test_untag_then_delete(loaded: World) -> None:
    assert remove(loaded, "app:1") == [{"Untagged": "app:1"}]
    answers = remove(loaded, "app:2")
    assert answers[:2] == [{"Untagged": "app:2"}, {"Deleted": ID}]
    assert len(answers) == 3  # the chain of the top layer; the base is another image's too
    assert not loaded.layers.has(sha(TOP))
    assert loaded.layers.has(sha(BASE))
    assert [name for name, _ in loaded.told[-3:]] == ["untag", "untag", "delete"]
    with pytest.raises(NotFound, match="No such image: app:2"):
        remove(loaded, "app:2")


def test_by_id(loaded: World) -> None:
    text = f"conflict: unable to delete {SHORT} (must be forced) - image is referenced in multiple repositories"
    assert refusal(loaded, SHORT) == text
    answers = remove(loaded, SHORT, force=True)
    assert answers[:3] == [{"Untagged": "app:1"}, {"Untagged": "app:2"}, {"Deleted": ID}]
    assert remove(loaded, OTHER_ID) == [{"Untagged": "base:1"}, {"Deleted": OTHER_ID}, {"Deleted": sha(BASE)}]
    assert list(loaded.content.digests()) == []


def test_used_by_a_stopped_container(loaded: World) -> None:
    loaded.uses = [Use(CONTAINER, OTHER_ID, False)]
    loaded.held = [sha(BASE)]
    assert refusal(loaded, "base:1") == (
        f'conflict: unable to remove repository reference "base:1" (must force) - container {"c" * 12} '
        f"is using its referenced image {OTHER_ID[7:19]}"
    )
    assert refusal(loaded, OTHER_ID) == (
        f"conflict: unable to delete {OTHER_ID[7:19]} (must be forced) - "
        f"image is being used by stopped container {'c' * 12}"
    )
    assert remove(loaded, "base:1", force=True)[1] == {"Deleted": OTHER_ID}
    assert loaded.layers.has(sha(BASE))


def test_used_by_a_running_container(loaded: World) -> None:
    loaded.uses = [Use(CONTAINER, OTHER_ID, True)]
    assert refusal(loaded, OTHER_ID, force=True) == (
        f"conflict: unable to delete {OTHER_ID[7:19]} (cannot be forced) - "
        f"image is being used by running container {'c' * 12}"
    )
    assert remove(loaded, "base:1", force=True) == [{"Untagged": "base:1"}]
    assert loaded.store.named is not None
    assert asyncio.run(loaded.store.resolve(OTHER_ID)).tags == ()


def child(world: World) -> str:
    async def add() -> str:
        config = json.dumps(json.loads(CONFIG) | {"author": "child"}).encode()
        async with world.layers.hold([sha(BASE), sha(TOP)]):
            image, _ = await world.store.add(config, [], parent=OTHER_ID)
        return image.id

    return asyncio.run(add())


def test_parents(loaded: World) -> None:
    made = child(loaded)
    text = f"conflict: unable to delete {OTHER_ID[7:19]} (cannot be forced) - image has dependent child images"
    assert refusal(loaded, OTHER_ID, force=True) == text
    assert remove(loaded, "base:1") == [{"Untagged": "base:1"}]
    answers = remove(loaded, made)
    assert {"Deleted": made} in answers
    assert {"Deleted": OTHER_ID} in answers


def test_no_prune_keeps_the_parent(loaded: World) -> None:
    made = child(loaded)
    remove(loaded, "base:1")
    assert {"Deleted": OTHER_ID} not in remove(loaded, made, prune=False)


def prune(world: World, **filters: list[str]) -> tuple[list[dict[str, str]], int]:
    return asyncio.run(world.remover.prune(filters))


def test_prune(loaded: World) -> None:
    assert prune(loaded) == ([], 0)
    dangling = config_for([TOP], author="d")
    asyncio.run(loaded.loader.load(stream(docker_archive([(dangling, [TOP], [])]))))
    answers, freed = prune(loaded)
    assert answers == [{"Deleted": sha(dangling)}, {"Deleted": sha(TOP)}]
    assert freed == 0  # the layer is another image's too
    loaded.uses = [Use(CONTAINER, OTHER_ID, False)]
    answers, freed = prune(loaded, dangling=["false"])
    assert answers[:3] == [{"Untagged": "app:1"}, {"Untagged": "app:2"}, {"Deleted": ID}]
    assert freed == len(TOP)
    assert loaded.told[-1][0] == "prune"
    assert [image.id for image in loaded.store] == [OTHER_ID]


def test_prune_filters(loaded: World) -> None:
    assert prune(loaded, dangling=["0"], label=["made=other"]) == ([], 0)
    assert prune(loaded, dangling=["0"], until=["2019-01-01"]) == ([], 0)
    for filters in ({"dangling": ["maybe"]}, {"reference": ["x"]}, {"until": ["soon"]}):
        with pytest.raises(InvalidArgument):
            prune(loaded, **filters)
    assert len(prune(loaded, dangling=["0"], **{"label!": ["other"]})[0]) > 3


def named(world: World, *names: str) -> None:
    for name in names:
        asyncio.run(world.store.tag(asyncio.run(world.store.resolve("base:1")), reference.parse(name)))


PINNED = "@sha256:" + "1" * 64


def test_names_by_digest_go_with_the_last_tag_of_their_repository(loaded: World) -> None:
    named(loaded, "r.io/a:1", "r.io/a:2", "r.io/a" + PINNED, "r.io/b" + PINNED)
    assert remove(loaded, "r.io/a:1") == [{"Untagged": "r.io/a:1"}]
    assert remove(loaded, "r.io/a:2") == [{"Untagged": "r.io/a:2"}, {"Untagged": "r.io/a" + PINNED}]
    assert remove(loaded, "base:1") == [{"Untagged": "base:1"}]
    answers = remove(loaded, "r.io/b" + PINNED)
    assert answers[:2] == [{"Untagged": "r.io/b" + PINNED}, {"Deleted": OTHER_ID}]


def test_a_tag_and_its_digest_count_as_one_name(loaded: World) -> None:
    named(loaded, "base" + PINNED)
    assert [next(iter(each)) for each in remove(loaded, OTHER_ID[7:19])][:3] == ["Untagged", "Untagged", "Deleted"]


def test_what_is_left_of_a_tag_is_dangling(loaded: World) -> None:
    named(loaded, "base" + PINNED)
    asyncio.run(loaded.store.untag(reference.parse("base:1").with_default_tag()))
    listed = {
        wanted: sorted(row["Id"] for row in asyncio.run(loaded.lister.summaries({"dangling": [wanted]})))
        for wanted in ("true", "false")
    }
    assert listed == {"true": [OTHER_ID], "false": sorted([ID, OTHER_ID])}
    assert {"Deleted": OTHER_ID} in asyncio.run(loaded.remover.prune({}))[0]
