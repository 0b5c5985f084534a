"""Results as images: see also test_service."""

import asyncio
import io
import json
import tarfile
from typing import Any

from tests.fakes.building import Workshop
from tests.unit.engine.build.test_service import exporter

from carrack.oci import reference
from carrack.registry.credentials import ANONYMOUS


def test_parent_and_names(workshop: Workshop) -> None:
    async def run() -> None:
        result, _ = await workshop.build("FROM base\nRUN x")
        async with workshop.world.layers.hold(result.layers):
            image = await exporter(workshop).image(result, [reference.parse("a:1")], {}, 0)
        assert image.parent == "sha256:base"
        assert image.tags == ("a:1",)

    asyncio.run(run())


def test_what_leaves_the_host(workshop: Workshop) -> None:
    async def run() -> None:
        result, _ = await workshop.build("FROM base\nCOPY a /a", {"a": "text"})
        made = exporter(workshop)
        async with workshop.world.layers.hold(result.layers):
            files = members(b"".join([chunk async for chunk in made.tar(result, 5)]))
            assert files["a"] == b"text"
            archived = made.archive(result, [reference.parse("a:1")], {"l": "1"}, 0)
            packed = members(b"".join([chunk async for chunk in archived.chunks]))
        index = json.loads(packed["index.json"])
        assert index["manifests"][0]["digest"] == archived.manifest.digest
        assert json.loads(packed["manifest.json"])[0]["RepoTags"] == ["a:1"]
        config = json.loads(packed["blobs/sha256/" + archived.id.removeprefix("sha256:")])
        assert config["config"]["Labels"] == {"l": "1"}
        assert [image.id for image in workshop.world.store] == []

    asyncio.run(run())


def test_push(workshop: Workshop) -> None:
    async def run() -> list[Any]:
        told: list[Any] = []

        async def tell(message: Any) -> None:
            told.append(message)

        digest = await exporter(workshop).push(reference.parse("a:1"), ANONYMOUS, tell)
        assert digest == "sha256:" + "d" * 64
        return told

    assert len(asyncio.run(run())) == 2


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = [(member.name, archive.extractfile(member)) for member in archive if member.isfile()]
        return {name: file.read() for name, file in files if file is not None}
