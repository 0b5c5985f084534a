"""Ours, beside Docker's API: who has the bytes of the data root, and garbage collection by rules."""

from __future__ import annotations

from dataclasses import replace

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response
from carrack.engine.images import policy
from carrack.engine.images.keeper import Keeper
from carrack.engine.system.owners import Accountant


def routes(keeper: Keeper, accountant: Accountant) -> list[Route]:
    """The route table."""

    async def explain(_: Request) -> Response:
        return json_response(await accountant.explain())

    async def collect(request: Request) -> Response:
        words = {word: text for word in policy.WORDS if (text := request.query.text(word))}
        given = policy.parse(words)
        kept = (*keeper.rules.keep, *given.keep)
        rules = replace(given if given else keeper.rules, keep=kept)
        outcome = await (keeper.plan(rules) if request.query.flag("plan") else keeper.run(rules))
        return json_response(outcome.document())

    return [Route("GET", "/system/df/explain", explain), Route("POST", "/system/gc", collect)]
