"""Exporters, over a session that takes what is sent."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.building import NoAgents, Workshop
from tests.fakes.buildkit import FakeCaller, FakeSession, Receiver
from tests.fakes.images import World
from tests.unit.engine.build.test_export import members
from tests.unit.engine.build.test_service import exporter

from carrack.api.buildkit.exporting import Exporting, check
from carrack.engine.build.product import Part, Product
from carrack.engine.build.progress import Silent
from carrack.errors import InvalidArgument, NotSupported
from carrack.oci import attestation, media_types
from carrack.oci.platform import parse


@pytest.fixture
def workshop(tmp_path: Path) -> Any:
    world = World(tmp_path)
    yield Workshop(world)
    world.close()


def export(
    workshop: Workshop,
    receiver: Receiver,
    *exports: tuple[str, dict[str, str]],
    claims: tuple[attestation.Claim, ...] = (),
    platforms: tuple[str, ...] = ("linux/amd64",),
) -> dict[str, str]:
    async def run() -> dict[str, str]:
        parts = []
        for name in platforms:
            result, _ = await workshop.build("FROM base\nCOPY a /a", {"a": "text"}, platform=parse(name))
            parts.append(Part(result, claims))
        session: Any = FakeSession(FakeCaller({}, target=receiver))
        made = Exporting(exporter(workshop), session, NoAgents(), Silent(), "build")
        async with workshop.world.layers.hold(parts[0].result.layers):
            wanted = [{"Type": kind, "Attrs": attrs} for kind, attrs in exports]
            return await made.run(Product(tuple(parts), epoch=5), wanted)

    return asyncio.run(run())


def test_local(workshop: Workshop) -> None:
    receiver = Receiver()
    assert export(workshop, receiver, ("local", {})) == {}
    assert receiver.files["a"] == b"text"


def test_tar(workshop: Workshop) -> None:
    receiver = Receiver()
    assert export(workshop, receiver, ("tar", {})) == {}
    assert members(bytes(receiver.data))["a"] == b"text"


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_archives(workshop: Workshop, kind: str) -> None:
    receiver = Receiver()
    answer = export(workshop, receiver, (kind, {"name": "a:1"}))
    found = members(bytes(receiver.data))
    for key in ("containerimage.digest", "containerimage.config.digest"):
        assert f"blobs/{answer[key].replace(':', '/')}" in found
    assert answer["containerimage.descriptor"]


def test_images_and_pushes(workshop: Workshop) -> None:
    answer = export(workshop, Receiver(), ("moby", {"name": "a:1,b:2", "push": "true"}))
    assert answer["containerimage.digest"] == "sha256:" + "d" * 64
    assert answer["image.name"] == "docker.io/library/a:1,docker.io/library/b:2"
    with pytest.raises(InvalidArgument, match="tag is needed"):
        export(workshop, Receiver(), ("moby", {"push": "true"}))


def descriptor(answer: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(answer["containerimage.descriptor"]))
    return found


def test_annotated_images(workshop: Workshop) -> None:
    answer = export(workshop, Receiver(), ("moby", {"name": "a:1", "annotation.a": "b", "annotation-index.c": "d"}))
    image = asyncio.run(workshop.world.store.resolve("a:1"))
    assert answer["containerimage.digest"] == image.id
    assert descriptor(answer)["digest"] == image.index
    content = workshop.world.content
    assert json.loads(content.read(image.index, 1 << 20))["annotations"] == {"c": "d"}
    assert json.loads(content.read(image.manifest, 1 << 20))["annotations"] == {"a": "b"}


def test_annotated_archives(workshop: Workshop) -> None:
    receiver = Receiver()
    answer = export(workshop, receiver, ("oci", {"annotation-manifest[linux/amd64].a": "b"}))
    found = members(bytes(receiver.data))
    made = json.loads(found[f"blobs/{descriptor(answer)['digest'].replace(':', '/')}"])
    assert (made["annotations"], len(made["layers"])) == ({"a": "b"}, 1)


@pytest.mark.parametrize(
    ("kind", "attributes", "said"),
    [("moby", {"name": "a:1"}, False), ("moby", {"name": "a:1", "push": "true"}, True), ("oci", {}, False)],
)
def test_what_is_only_said_of_what_leaves(
    workshop: Workshop, kind: str, attributes: dict[str, str], said: bool
) -> None:
    claim = attestation.Claim(attestation.SLSA["v0.2"], lambda _: {}, "provenance.json", inline_only=True)
    answer = export(workshop, Receiver(), (kind, attributes), claims=(claim,))
    found = "containerimage.descriptor" in answer and descriptor(answer)["mediaType"] == media_types.OCI_INDEX
    assert found is said


def test_several_platforms(workshop: Workshop) -> None:
    receiver = Receiver()
    exports = [("moby", {"name": "a:1"}), ("local", {"attestation-prefix": "x-"})]
    answer = export(workshop, receiver, *exports, platforms=("linux/amd64", "linux/arm64"))
    image = asyncio.run(workshop.world.store.resolve("a:1"))
    assert answer["containerimage.digest"] == image.index == descriptor(answer)["digest"]
    assert "containerimage.config.digest" not in answer
    assert {name for name in receiver.files if name.endswith("a")} == {"linux_amd64/a", "linux_arm64/a"}


def test_nothing(workshop: Workshop) -> None:
    assert export(workshop, Receiver(), ("cacheonly", {})) == {}


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("moby", {"push-by-digest": "true"}),
        ("moby", {"store": "false"}),
        ("image", {"compression": "zstd"}),
        ("oci", {"tar": "false"}),
        ("oci", {"compression": "gzip"}),
        ("local", {"annotation.a": "b"}),
        ("containerd", {}),
    ],
)
def test_refusals(kind: str, attributes: dict[str, str]) -> None:
    with pytest.raises(NotSupported, match=next(iter(attributes), kind)):
        check(kind, attributes)


def test_what_asks_for_nothing_more() -> None:
    check("moby", {"store": "true", "push-by-digest": "false", "compression": "gzip"})
    check("docker", {"compression": "uncompressed", "tar": "true"})
