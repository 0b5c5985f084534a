"""Builds for several platforms, in the words of the client's build loop."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from tests.fakes.building import Watcher, Workshop
from tests.unit.engine.build.test_service import builder, request

from carrack.api.buildkit import linking, products
from carrack.engine.build.attesting import NONE, Who
from carrack.engine.build.product import Product
from carrack.errors import CarrackError
from carrack.oci import platform as platforms
from carrack.oci.platform import Platform

AMD, ARM = platforms.parse("linux/amd64"), platforms.parse("linux/arm64")


def solved(
    workshop: Workshop, *wanted: Platform, text: str = "FROM base\nCOPY a /a\n", several: bool = False
) -> tuple[Product, Watcher]:
    watcher = Watcher()

    async def run() -> Product:
        made = builder(workshop)
        async with AsyncExitStack() as held:
            requests = products.each(request(workshop, text), list(wanted))
            return await products.solve(made, held, requests, NONE, Who({}, "b", b""), watcher, several)

    return asyncio.run(run()), watcher


def test_one(workshop: Workshop) -> None:
    product, watcher = solved(workshop, ARM)
    said = products.answer("r", product, "b.r")
    assert said["ref"] == {"id": "r", "definition": linking.definition("b.r")}
    assert json.loads(said["metadata"]["containerimage.config"])["architecture"] == "arm64"
    assert "[2/2] COPY a /a" in watcher.ends
    assert products.each(request(workshop, "FROM base"), [])[0].platform == AMD


def test_several(workshop: Workshop) -> None:
    product, watcher = solved(workshop, AMD, ARM, AMD)
    said = products.answer("r", product, "b.r")
    assert said["refs"]["refs"] == {
        f"linux/{each}": {"id": f"r/linux/{each}", "definition": linking.definition(f"b.r/linux/{each}")}
        for each in ("amd64", "arm64")
    }
    assert json.loads(said["metadata"]["containerimage.config/linux/arm64"])["architecture"] == "arm64"
    listed = json.loads(said["metadata"]["refs.platforms"])["Platforms"]
    assert [each["ID"] for each in listed] == ["linux/amd64", "linux/arm64"]
    assert {"[linux/amd64 2/2] COPY a /a", "[linux/arm64 2/2] COPY a /a"} <= watcher.ends.keys()


def test_one_that_is_meant_as_several(workshop: Workshop) -> None:
    product, _ = solved(workshop, AMD, several=True)
    assert product.several
    assert list(products.answer("r", product, "b.r")["refs"]["refs"]) == ["linux/amd64"]


def test_the_first_failure_is_told(workshop: Workshop) -> None:
    with pytest.raises(CarrackError, match="none"):
        solved(workshop, AMD, ARM, text="FROM none\n")


def test_what_comes_back() -> None:
    assert products.returned(None) == ""
    assert products.returned({"ref": {"id": "r"}}) == "r"
    refs = {"refs": {"linux/amd64": {"id": "r/linux/amd64"}, "linux/arm64": {"id": "r/linux/arm64"}}}
    assert products.returned({"ref": None, "refs": refs}) == "r"
    assert products.returned({"ref": {"id": ""}, "refs": None}) == ""
