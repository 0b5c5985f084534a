"""Steps made ready."""

import asyncio

import pytest
from tests.fakes.building import Workshop

from carrack.engine.build.request import Limits
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--network=host", "network.host"),
        ("--security=insecure", "security.insecure"),
        ("--device=vendor.com/class=name", "device"),
    ],
)
def test_entitlements_must_be_given(workshop: Workshop, flag: str, name: str) -> None:
    async def run() -> None:
        with pytest.raises(InvalidArgument, match=f"build with --allow {name}"):
            await workshop.build(f"FROM base\nRUN {flag} x")
        await workshop.build(f"FROM base\nRUN {flag} x", allow=frozenset({name}))

    asyncio.run(run())
    assert len(workshop.runner.jobs) == 1


def test_a_job_has_what_was_asked(workshop: Workshop) -> None:
    async def run() -> None:
        await workshop.build(
            "FROM base\nUSER u\nWORKDIR /w\nRUN --network=none x\nRUN y",
            network="host", hostname="h", extra_hosts=("a:1.2.3.4",), limits=Limits({"Memory": 1}),
        )  # fmt: skip

    asyncio.run(run())
    first, second = workshop.runner.jobs
    assert (first.user, first.workdir, first.network, first.hostname) == ("u", "/w", "none", "h")
    assert (second.network, second.extra_hosts, second.host_config) == ("host", ("a:1.2.3.4",), {"Memory": 1})
    assert len(first.layers) == 1
    assert len(second.layers) == 2
