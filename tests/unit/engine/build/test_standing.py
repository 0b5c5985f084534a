"""Named contexts that stand for images and stages."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.building import Workshop

from carrack.dockerfile.file import parse
from carrack.engine.build import standing
from carrack.engine.build.request import Files


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a", "a"), ("a:latest", "a"), ("docker.io/library/a", "a"), ("a:1", ""), ("b", "b::linux/amd64"), ("c", ""),
        ("Not A Name", ""), ("", ""),
    ],
)  # fmt: skip
def test_names(name: str, found: str) -> None:
    assert standing.key(name, "linux/amd64", {"a": "", "b": "", "b::linux/amd64": "", "c::linux/arm64": ""}) == found


def test_all_of_a_context() -> None:
    base = parse("FROM x").stages[0].base
    assert standing.all_of("n", base).place == base.place


def test_builds(workshop: Workshop) -> None:
    other = workshop.context({"o": "other"})

    async def opened() -> Files:
        return Files(other, name="dir")

    async def run() -> None:
        contexts = {"dir": opened, "img": "base"}
        result, _ = await workshop.build(
            "FROM dir\nCOPY --from=dir o /two\nCOPY --from=img:latest / /", contexts=contexts
        )
        assert workshop.files(result) == {"o": "other", "two": "other"}
        assert workshop.bases.asked == ["base"]
        result, _ = await workshop.build("FROM none AS dir\nRUN no\nFROM dir\nRUN yes", contexts=contexts)
        assert (workshop.runner.ran, workshop.files(result)["o"]) == (["yes"], "other")
        workshop.bases.images["base"] = {"config": {"OnBuild": ["RUN triggered"]}}
        await workshop.build("FROM none AS img\nFROM img\nRUN again", contexts=contexts)
        assert workshop.runner.ran == ["yes", "again"], "triggers are the stage's that was replaced"

    asyncio.run(run())
    other.close()
