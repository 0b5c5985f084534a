"""Importing a root file system."""

import asyncio
import gzip
import lzma
from typing import Any

import pytest
from tests.fakes.images import World, sha, stream, tar

from carrack.errors import InvalidArgument
from carrack.oci import reference
from carrack.oci.platform import Platform

ROOT = tar({"bin/sh": b"#!"})


def load(world: World, data: bytes, name: str = "", **options: Any) -> Any:
    named = reference.parse(name).with_default_tag() if name else None
    return asyncio.run(world.importer.load(stream(data), named, **options))


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, lzma.compress])
def test_import(world: World, wrap: Any) -> None:
    image = load(world, wrap(ROOT), "mine", message="from a tar", instructions=["CMD x", "ENV A=b"])
    assert image.diff_ids == (sha(ROOT),)
    assert image.tags == ("mine:latest",)
    assert image.config["config"] == {"Cmd": ["/bin/sh", "-c", "x"], "Env": ["A=b"]}
    assert image.config["history"][0]["comment"] == "from a tar"
    assert image.created > 0
    assert world.told == [("tag", "mine:latest"), ("import", image.id)]
    assert world.leavings() == []


def test_platform_and_no_name(world: World) -> None:
    image = load(world, ROOT, platform=Platform("linux", "arm", "v7"))
    assert (image.config["architecture"], image.config["variant"], image.tags) == ("arm", "v7", ())


@pytest.mark.parametrize(
    ("data", "options"),
    [(ROOT[:700], {}), (b"no tar" * 200, {}), (gzip.compress(ROOT)[:-9], {}), (ROOT, {"instructions": ["RUN x"]})],
    ids=["cut", "no tar", "cut gzip", "instruction"],
)
def test_bad_input_leaves_nothing(world: World, data: bytes, options: Any) -> None:
    with pytest.raises(InvalidArgument):
        load(world, data, **options)
    assert world.leavings() == []
    assert list(world.content.digests()) == []
    assert len(world.store) == 0
