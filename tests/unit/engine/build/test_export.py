"""Results as images: see also test_service."""

import asyncio

from tests.fakes.building import Workshop

from carrack.engine.build.export import ImageExport
from carrack.oci import reference


def test_parent_and_names(workshop: Workshop) -> None:
    async def run() -> None:
        result, _ = await workshop.build("FROM base\nRUN x")
        async with workshop.world.layers.hold(result.layers):
            image = await ImageExport(workshop.world.store).image(result, [reference.parse("a:1")], {}, 0)
        assert image.parent == "sha256:base"
        assert image.tags == ("a:1",)

    asyncio.run(run())
