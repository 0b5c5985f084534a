"""From one solve for several platforms to a product, and to what the client's own build loop is told of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from carrack.api.buildkit import linking
from carrack.engine.build import results
from carrack.engine.build.product import Part, Product
from carrack.oci import document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AsyncExitStack

    from carrack.engine.build.attesting import Attests, Who
    from carrack.engine.build.progress import Progress
    from carrack.engine.build.request import Request
    from carrack.engine.build.service import Builder
    from carrack.oci.platform import Platform


def each(request: Request, platforms: Sequence[Platform]) -> list[Request]:
    """The request for each platform; shown with its name where they are several."""
    wanted = list(dict.fromkeys(platforms)) or [request.platform]
    if len(wanted) == 1:
        return [replace(request, platform=wanted[0])]
    return [
        replace(request, platform=platform, prefix=f"{platform} ", identity=f"{request.identity}/{platform}")
        for platform in wanted
    ]


async def solve(
    builder: Builder, held: AsyncExitStack, requests: Sequence[Request], attests: Attests, who: Who, progress: Progress,
    several: bool = False,
) -> Product:  # fmt: skip
    """Build all of them side by side; their layers stay until ``held`` is left. Raises what the first that fails
    raises."""

    async def one(request: Request) -> Part:
        result = await held.enter_async_context(builder.solved(request, progress))
        claims = await builder.attester.claims(attests, request, result, who, progress)
        return Part(result, claims, request)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(request)) for request in requests]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    first = requests[0]
    return Product(tuple(task.result() for task in tasks), first.labels, first.epoch, several=several)


def answer(name: str, product: Product, called: str) -> dict[str, Any]:
    """The result of that name as the build loop gets it: one file tree, or one for each platform by its name.
    ``called``: by which other builds can begin with it."""
    configs = [
        document.encode(dict(results.config(part.result, product.created(part), product.labels)))
        for part in product.parts
    ]
    key = "containerimage.config"
    if len(product.parts) == 1 and not product.several:
        return {"ref": {"id": name, "definition": linking.definition(called)}, "metadata": {key: configs[0]}}
    platforms = [part.result.platform for part in product.parts]
    listed = {"Platforms": [{"ID": str(each), "Platform": each.document()} for each in platforms]}
    metadata = {f"{key}/{each}": config for each, config in zip(platforms, configs, strict=True)}
    refs = {
        str(each): {"id": f"{name}/{each}", "definition": linking.definition(f"{called}/{each}")} for each in platforms
    }
    return {"refs": {"refs": refs}, "metadata": {"refs.platforms": document.encode(listed), **metadata}}


def returned(result: dict[str, Any] | None) -> str:
    """The name of the result that a build loop gives back; "" for none."""
    found = ((result or {}).get("ref") or {}).get("id", "")
    refs = ((result or {}).get("refs") or {}).get("refs") or {}
    names = [found, *((ref or {}).get("id", "") for ref in refs.values())]
    return next((name for name in names if name), "").partition("/")[0]
