"""What the facade adds: one thread, words of failures, an end; the networks themselves: test_nets, tests/root."""

import asyncio

import pytest

from carrack.errors import Unavailable
from carrack.network.fabric import Fabric
from carrack.network.plan import EndpointPlan


def test_before_setup_nothing_works_and_its_end_is_harmless() -> None:
    async def scene() -> None:
        fabric = Fabric(table="crk-none")
        with pytest.raises(Unavailable, match="not set up"):
            fabric.gateway("c1")
        with pytest.raises(Unavailable, match="not set up"):
            await fabric.remove("n")
        with pytest.raises(Unavailable, match="sandbox has ended"):
            await fabric.connect("c1", -1, -1, "n", EndpointPlan())
        await fabric.teardown()

    asyncio.run(scene())
