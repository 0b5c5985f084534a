import asyncio
from typing import Any

import pytest
from tests.fakes.images import World, config_for, docker_archive, sha, stream, tar

from carrack.errors import NotFound

BASE, ONE, TWO = (tar({name: b"x"}) for name in ("base", "one", "two"))
HISTORY = [
    {"created_by": "FROM"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "RUN"}
]  # fmt: skip
FIRST, SECOND = config_for([BASE, ONE], history=HISTORY), config_for([BASE, TWO], config={"User": "me"})


async def load(world: World) -> None:
    await world.store.start()
    await world.loader.load(stream(docker_archive([(FIRST, [BASE, ONE], ["a:1"]), (SECOND, [BASE, TWO], ["b:1"])])))


def test_layers_are_told_with_their_instructions(world: World) -> None:
    async def run() -> dict[str, Any]:
        await load(world)
        return await world.looker.explain("a:1", 5)

    report = asyncio.run(run())
    assert [(row["CreatedBy"], row["DiffID"], row["Size"]) for row in report["Layers"]] == [
        ("FROM", sha(BASE), len(BASE)),
        ("RUN", sha(ONE), len(ONE)),
    ]
    assert (report["Id"], report["RepoTags"], report["Size"]) == (sha(FIRST), ["a:1"], len(BASE) + len(ONE))
    assert (report["Asked"], report["Most"]) == ([[(sha(BASE), ""), (sha(ONE), "")]], 5)


def test_two_images(world: World) -> None:
    async def run() -> dict[str, Any]:
        await load(world)
        with pytest.raises(NotFound):
            await world.looker.diff("a:1", "c:1", 5)
        return await world.looker.diff("a:1", "b:1", 5, full=True)

    report = asyncio.run(run())
    assert report["SharedLayers"] == 1
    assert [each["Field"] for each in report["Config"]] == ["Cmd", "Labels.made", "User"]
    assert (report["From"]["Id"], report["To"]["Id"], report["Full"]) == (sha(FIRST), sha(SECOND), True)
