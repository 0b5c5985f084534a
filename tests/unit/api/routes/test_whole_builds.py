"""What our own command asks for besides a plain image."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.building import Watcher, Workshop
from tests.fakes.images import World
from tests.unit.engine.build.test_service import builder, request

from carrack.api.buildkit.exporting import told
from carrack.api.routes import whole_builds
from carrack.engine.build.attesting import Who
from carrack.engine.build.request import Request
from carrack.errors import InvalidArgument, NotSupported
from carrack.oci import reference

NAME = reference.parse("app:1")


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    world = World(tmp_path)
    yield Workshop(world)
    world.close()


def test_words() -> None:
    assert not whole_builds.read("", [], [])
    assert not whole_builds.read("linux/arm64", [], [])
    assert whole_builds.read("linux/arm64,linux/amd64", [], [])
    wants = whole_builds.read("", ["type=provenance,mode=max", "type=sbom"], ["index:a=b", "c=d=e"])
    assert wants.attests.provenance is not None
    assert (wants.attests.provenance.mode, wants.attests.sbom) == ("max", {})
    assert (wants.annotations.index, wants.annotations.manifest) == ({"a": "b"}, {"": {"c": "d=e"}})
    assert not whole_builds.read("", ["type=provenance,disabled=true"], [])


@pytest.mark.parametrize(("attest", "annotation"), [("mode=max", "a=b"), ("type=what", "a=b"), ("type=sbom", "index")])
def test_refused(attest: str, annotation: str) -> None:
    with pytest.raises(InvalidArgument):
        whole_builds.read("", [attest], [annotation])


def build(workshop: Workshop, wants: whole_builds.Wants, asked: Request) -> dict[str, str]:
    async def run() -> dict[str, str]:
        image, made = await whole_builds.build(builder(workshop), wants, asked, [NAME], Who({}, "b", b""), Watcher())
        return told(image, made, [NAME])

    return asyncio.run(run())


def test_several_platforms(workshop: Workshop) -> None:
    wants = whole_builds.read("linux/arm64,linux/amd64", [], ["a=b"])
    said = build(workshop, wants, request(workshop, "FROM base\nCOPY a /a\n"))
    image = asyncio.run(workshop.world.store.resolve("app:1"))
    assert image.config["architecture"] == "amd64"
    assert said["containerimage.digest"] == image.index
    assert said["image.name"] == "docker.io/library/app:1"
    assert len(workshop.world.store.siblings(image)) == 1


def test_one_that_is_attested(workshop: Workshop) -> None:
    said = build(workshop, whole_builds.read("", ["type=provenance"], []), request(workshop, "FROM base\nRUN x\n"))
    image = asyncio.run(workshop.world.store.resolve("app:1"))
    assert said["containerimage.config.digest"] == image.id
    assert len(image.extras) == 3


def test_not_with_squashing(workshop: Workshop) -> None:
    with pytest.raises(NotSupported, match="squashed"):
        build(workshop, whole_builds.read("", ["type=sbom"], []), request(workshop, "FROM base", squash=True))
