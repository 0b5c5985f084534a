"""What a policy for sources says, asked so that nobody else waits for it.

An expression is searched for in a time that grows with the source and with the expression only, but a client may send
many large ones. So these are tried in a thread of their own, beside which RE2 lets others go on; it ends with the rule
at hand when the client goes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from carrack.engine import pump
from carrack.engine.whole import ended

if TYPE_CHECKING:
    from carrack.engine.build.policies import Policy

T = TypeVar("T")


async def judged(policy: Policy, ask: Callable[[Policy], T]) -> T:
    """What it answers. Raises what that does."""
    if not any(rule.searches for rule in policy.rules):
        return ask(policy)
    gone = threading.Event()
    work = pump.in_own_thread(lambda: ask(replace(policy, given_up=gone.is_set)))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        gone.set()
        await ended(work)
        work.exception()  # looked at, for the cancellation goes before it
        raise
