"""Results as images: see also test_service."""

import asyncio
import io
import json
import tarfile
from typing import Any

import pytest
from tests.fakes.building import Workshop
from tests.fakes.images import HOST, stream
from tests.unit.engine.build.test_service import exporter

from carrack.engine.build import annotating
from carrack.engine.build.product import Part, Product
from carrack.errors import InvalidArgument
from carrack.oci import attestation, reference
from carrack.oci import platform as platforms
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
            files = members(b"".join([chunk async for chunk in made.tar(Product((Part(result),)), 5)]))
            assert files["a"] == b"text"
            archived = await made.archive(Product((Part(result),), {"l": "1"}, 0), [reference.parse("a:1")])
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


ARM = platforms.parse("linux/arm64")
CLAIM = attestation.Claim(attestation.SPDX, lambda _: {"packages": []}, "sbom.spdx.json")


async def both(workshop: Workshop, *claims: attestation.Claim, **more: Any) -> Product:
    parts = []
    for platform in (ARM, HOST):
        result, _ = await workshop.build("FROM base\nCOPY a /a", {"a": str(platform)}, platform=platform)
        parts.append(Part(result, claims))
    return Product(tuple(parts), epoch=5, **more)


@pytest.mark.census("image multi-platform store", "image attestations")
def test_several_platforms_in_the_store(workshop: Workshop) -> None:
    async def run() -> None:
        store = workshop.world.store
        product = await both(workshop, CLAIM)
        image, made = await exporter(workshop).product(product, [reference.parse("app:1")])
        assert made is not None
        assert image.config["architecture"] == "amd64"
        assert image.index == made.top.digest
        (sibling,) = store.siblings(image)
        assert sibling.config["architecture"] == "arm64"
        assert await store.resolve("app:1", ARM) == sibling
        assert len(image.extras) == 6
        await store.collect()
        (row,) = await workshop.world.lister.summaries(manifests=True)
        assert [each["Kind"] for each in row["Manifests"]] == ["image", "image", "attestation", "attestation"]
        assert all(each["Available"] for each in row["Manifests"])
        await workshop.world.remover.remove("app:1")
        assert list(workshop.world.content.digests()) == []

    asyncio.run(run())


def test_archives_of_several_platforms(workshop: Workshop) -> None:
    async def run() -> None:
        annotations = annotating.read({"annotation-index-descriptor.a": "b", "annotation-index.c": "d"})
        product = await both(workshop, CLAIM, annotations=annotations)
        layers = [layer for part in product.parts for layer in part.result.layers]
        async with workshop.world.layers.hold(layers):
            archived = await exporter(workshop).archive(product, [reference.parse("app:1")])
            data = b"".join([chunk async for chunk in archived.chunks])
        assert archived.id == ""
        (entry,) = json.loads(members(data)["index.json"])["manifests"]
        assert (entry["digest"], entry["annotations"]["a"]) == (archived.manifest.digest, "b")
        index = json.loads(members(data)[f"blobs/sha256/{entry['digest'][7:]}"])
        assert (index["annotations"], len(index["manifests"])) == ({"c": "d"}, 4)
        await workshop.world.loader.load(stream(data))
        image = await workshop.world.store.resolve("app:1")
        assert (image.index, len(workshop.world.store.siblings(image))) == (entry["digest"], 1)
        assert len(image.extras) == 3

    asyncio.run(run())


def test_files_of_several_platforms(workshop: Workshop) -> None:
    async def run() -> None:
        product = await both(workshop, CLAIM)
        made = exporter(workshop)
        layers = [layer for part in product.parts for layer in part.result.layers]
        async with workshop.world.layers.hold(layers):
            files = members(b"".join([chunk async for chunk in made.tar(product, 5, "said-")]))
            with pytest.raises(InvalidArgument, match="platform-split"):
                await anext(made.tar(product, 5, split=False))
            one = Product(product.parts[:1])
            beside = members(b"".join([chunk async for chunk in made.tar(one, 5)]))
            apart = members(b"".join([chunk async for chunk in made.tar(one, 5, split=True)]))
        assert {name: files[name] for name in files if name.endswith("/a")} == {
            "linux_amd64/a": b"linux/amd64", "linux_arm64/a": b"linux/arm64",
        }  # fmt: skip
        said = json.loads(files["linux_arm64/said-sbom.spdx.json"])
        assert [subject["name"] for subject in said["subject"]] == ["a"]
        assert beside.keys() == {"a", "sbom.spdx.json"}
        assert apart.keys() == {"linux_arm64/a", "linux_arm64/sbom.spdx.json"}

    asyncio.run(run())
