"""What builds refuse as long as it is not built."""

import asyncio

import pytest

from carrack.daemon.wiring_building import _Fetches
from carrack.engine.build.steps import CopyStep
from carrack.errors import NotSupported


def test_urls_are_refused() -> None:
    async def run() -> None:
        with pytest.raises(NotSupported, match="URLs"):
            async with _Fetches().open(CopyStep(("http://x/y",), "/", remote=True), None, None):
                pass

    asyncio.run(run())
