"""Ours, beside Docker's API: who has the bytes of the data root, whether they are right, and garbage collection."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response, stream
from carrack.api.stream import StreamWriter
from carrack.engine.images import policy
from carrack.engine.images.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from carrack.engine.system.fsck import Fsck
    from carrack.engine.system.owners import Accountant


def routes(keeper: Keeper, accountant: Callable[[], Accountant], fsck: Callable[[], Fsck]) -> list[Route]:
    """The route table. What is given as a function is made when it is first asked for."""

    async def explain(_: Request) -> Response:
        return json_response(await accountant().explain())

    async def collect(request: Request) -> Response:
        words = {word: text for word in policy.OF_REQUESTS if (text := request.query.text(word))}
        given, usual = policy.parse(words), keeper.rules
        rules = replace(
            given if words.keys() - {"keep"} else usual,
            keep=(*usual.keep, *given.keep),
            cache=given.cache if "cache" in words else usual.cache,
        )
        outcome = await (keeper.plan(rules) if request.query.flag("plan") else keeper.run(rules))
        return json_response(outcome.document())

    async def check(request: Request) -> Response:
        from carrack.engine.images.checks import How
        from carrack.engine.system.fsck import summary

        how = How(mend=request.query.flag("repair"), read=request.query.flag("read", True))

        async def produce(writer: StreamWriter) -> None:
            await writer.start()
            findings = []
            async with aclosing(fsck().run(how)) as running:
                async for finding in running:
                    findings.append(finding)
                    await writer.json(finding.document())
            await writer.json(summary(findings, how))

        return stream(produce)

    return [
        Route("GET", "/system/df/explain", explain),
        Route("POST", "/system/gc", collect),
        Route("POST", "/system/fsck", check),
    ]
