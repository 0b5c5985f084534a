"""Which services are timed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from carrack.daemon import measure
from carrack.engine.meter import Meter


class Anything:
    """Whatever it is asked, it does nothing."""

    def __getattr__(self, name: str) -> Any:
        async def nothing(*arguments: Any) -> None:
            pass

        return nothing


def test_docker_s_actions_have_their_names() -> None:
    parts = SimpleNamespace(creator=Anything(), files=Anything())
    images = SimpleNamespace(commits=Anything(), loader=Anything(), importer=Anything(), remover=Anything())
    services: Any = SimpleNamespace(
        meter=Meter(on=True), containers=parts, images=images, fabric=Anything(),
        joining=SimpleNamespace(connector=Anything()),
        info=Anything(), store=[], events=Anything(), counts=None, paths=None,
    )  # fmt: skip
    health: Any = Anything()
    measure.metrics(services, health)
    asyncio.run(parts.creator.create("x"))
    health.prepared(0.5)
    families = services.meter.families
    assert families["health"]["start"].sum == 0.5
    assert families["container"]["create"].count == 1
    assert set(families["container"]) == {"create", "changes", "commit"}
    assert set(families["network"]) == {"allocate", "connect", "release"}
    assert set(families["image"]) == {"delete", "import", "load"}
