"""Policies whose answer takes long."""

from __future__ import annotations

import asyncio
import threading

import pytest

from carrack.engine.build import judging
from carrack.engine.build.patterns import REGEX
from carrack.engine.build.policies import ALLOW, DENY, Policy, Rule
from carrack.errors import Forbidden

SLOW = Policy((Rule(ALLOW, "b+$", REGEX),))


def test_without_expressions_it_answers_here() -> None:
    async def run() -> int:
        return await judging.judged(Policy((Rule(ALLOW, "*"),)), lambda _: threading.get_ident())

    assert asyncio.run(run()) == threading.get_ident()


def test_with_expressions_it_answers_beside_the_others() -> None:
    async def run() -> str:
        loop, met = asyncio.get_running_loop(), threading.Event()

        def ask(policy: Policy) -> str:
            loop.call_soon_threadsafe(met.set)
            assert met.wait(20), "the loop does not go on"
            return policy.image("a")

        return await judging.judged(SLOW, ask)

    assert asyncio.run(run()) == "a"


def test_what_it_refuses_comes_through() -> None:
    with pytest.raises(Forbidden):
        asyncio.run(judging.judged(Policy((Rule(DENY, "^docker", REGEX),)), lambda policy: policy.image("a")))


def test_it_is_given_up_when_nobody_waits() -> None:
    async def run() -> None:
        begun, over = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def ask(policy: Policy) -> None:
            loop.call_soon_threadsafe(begun.set)
            while not policy.given_up():
                pass
            over.set()

        work = loop.create_task(judging.judged(SLOW, ask))
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert over.is_set()

    asyncio.run(run())
