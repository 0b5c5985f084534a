"""Gives the doctor of networks what it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.engine.system.doctor import NetworkDoctor
from carrack.network import facts

if TYPE_CHECKING:
    from carrack.daemon.wiring import Services
    from carrack.network.names.client import Resolver


def doctor(services: Services) -> NetworkDoctor:
    """The doctor of services that are built."""
    table = services.fabric.table

    async def resolver() -> str:
        return await silent(services.resolving.resolver)

    return NetworkDoctor(
        services.store,
        lambda: services.networks.select({}),
        lambda: facts.gather([table]),
        services.fabric.routes,
        resolver,
        table,
    )


async def silent(resolver: Resolver) -> str:
    """What is wrong with the resolver's process, in words; one that nobody needs yet is not missed."""
    if not resolver.pid or await resolver.counts():
        return ""
    return f"the resolver of names (process {resolver.pid}) does not answer: containers find no names"
