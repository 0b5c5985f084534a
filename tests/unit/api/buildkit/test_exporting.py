"""Exporters, over a session that takes what is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.building import NoAgents, Workshop
from tests.fakes.buildkit import FakeCaller, FakeSession, Receiver
from tests.fakes.images import World
from tests.unit.engine.build.test_export import members
from tests.unit.engine.build.test_service import exporter

from carrack.api.buildkit.exporting import Exporting, Wish, check
from carrack.engine.build.progress import Silent
from carrack.errors import InvalidArgument, NotSupported


@pytest.fixture
def workshop(tmp_path: Path) -> Any:
    world = World(tmp_path)
    yield Workshop(world)
    world.close()


def export(workshop: Workshop, receiver: Receiver, *exports: tuple[str, dict[str, str]]) -> dict[str, str]:
    async def run() -> dict[str, str]:
        result, _ = await workshop.build("FROM base\nCOPY a /a", {"a": "text"})
        session: Any = FakeSession(FakeCaller({}, target=receiver))
        made = Exporting(exporter(workshop), session, NoAgents(), Silent(), "build")
        async with workshop.world.layers.hold(result.layers):
            return await made.run(Wish(result, epoch=5), [{"Type": kind, "Attrs": attrs} for kind, attrs in exports])

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


def test_nothing(workshop: Workshop) -> None:
    assert export(workshop, Receiver(), ("cacheonly", {})) == {}


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("moby", {"annotation.a": "b"}),
        ("moby", {"push-by-digest": "true"}),
        ("moby", {"store": "false"}),
        ("image", {"compression": "zstd"}),
        ("oci", {"tar": "false"}),
        ("oci", {"compression": "gzip"}),
        ("local", {"platform-split": "true"}),
        ("containerd", {}),
    ],
)
def test_refusals(kind: str, attributes: dict[str, str]) -> None:
    with pytest.raises(NotSupported, match=next(iter(attributes), kind)):
        check(kind, attributes)


def test_what_asks_for_nothing_more() -> None:
    check("moby", {"store": "true", "push-by-digest": "false", "compression": "gzip"})
    check("docker", {"compression": "uncompressed", "tar": "true"})
