"""Events: history, following, filters, and subscribers that do not keep up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from carrack.engine.events import Event, Events, matcher
from carrack.errors import Unavailable


def event(**changes: object) -> Event:
    values: dict[str, object] = {
        "type": "container",
        "action": "start",
        "actor_id": "abcdef",
        "attributes": {"name": "web", "image": "host:5000/nginx:1", "tier": "front"},
        "scope": "local",
        "time_ns": 1_500_000_000,
    }
    return Event(**{**values, **changes})  # type: ignore[arg-type]


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await main()

    asyncio.run(limited())


async def first_of(stream: AsyncIterator[Event]) -> Event:
    return await anext(stream)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, True),
        ({"container": []}, True),
        ({"container": ["abc"]}, True),
        ({"container": ["we"]}, True),
        ({"container": ["x", "web"]}, True),
        ({"container": ["eb"]}, False),
        ({"network": ["web"]}, False),
        ({"type": ["container"]}, True),
        ({"type": ["image"]}, False),
        ({"event": ["start", "die"]}, True),
        ({"event": ["sta"]}, False),
        ({"label": ["tier"]}, True),
        ({"label": ["tier=front"]}, True),
        ({"label": ["tier=front", "other"]}, False),
        ({"image": ["host:5000/nginx"]}, True),
        ({"image": ["host:5000/nginx:1"]}, True),
        ({"image": ["host"]}, False),
        ({"scope": ["local"]}, True),
        ({"scope": ["swarm"]}, False),
        ({"type": ["container"], "event": ["die"]}, False),
    ],
)
def test_filters(filters: dict[str, list[str]], expected: bool) -> None:
    assert matcher(filters)(event()) is expected


def test_actions_with_more_behind_the_word() -> None:
    created = event(action="exec_create: sh -c x")
    assert matcher({"event": ["exec_create"]})(created)
    assert not matcher({"event": ["exec_start"]})(created)


def test_an_unknown_filter_is_passed_over() -> None:
    assert matcher({"colour": ["red"]})(event())


def test_documents_have_the_older_fields_only_where_docker_has_them() -> None:
    document = json.loads(event().encode())
    assert list(document) == ["status", "id", "from", "Type", "Action", "Actor", "scope", "time", "timeNano"]
    assert (document["status"], document["id"], document["from"]) == ("start", "abcdef", "host:5000/nginx:1")
    assert (document["time"], document["timeNano"]) == (1, 1_500_000_000)
    assert next(iter(event(type="volume").document())) == "Type"
    assert "from" not in event(type="image").document()


def test_history_is_bounded_and_since_until_select() -> None:
    times = iter(range(100, 1000, 100))

    async def main() -> None:
        events = Events(history=3, clock=lambda: next(times))
        for name in "abcd":  # at 100 … 400
            events.publish("volume", "create", name)
        events._clock = lambda: 1000
        assert [e.actor_id async for e in events.subscribe(0, 900)] == ["b", "c", "d"]
        assert [e.actor_id async for e in events.subscribe(300, 900)] == ["c", "d"]
        assert [e.actor_id async for e in events.subscribe(None, 300)] == ["b", "c"]
        assert [e.actor_id async for e in events.subscribe(0, 900, {"volume": ["d"]})] == ["d"]
        assert events.listeners == 0

    run(main)


def test_followers_get_what_happens_until_their_time_is_over() -> None:
    async def main() -> None:
        events = Events()
        events.publish("volume", "create", "before")
        got: list[str] = []

        async def listen() -> None:
            async for e in events.subscribe(until=events._clock() + 100_000_000, filters={"event": ["create"]}):
                got.append(e.actor_id)

        async with asyncio.TaskGroup() as group:
            group.create_task(listen())
            await asyncio.sleep(0.01)
            assert events.listeners == 1
            events.publish("volume", "create", "now")
            events.publish("volume", "destroy", "now")
        assert got == ["before", "now"]
        assert events.listeners == 0

    run(main)


def test_without_since_nothing_of_the_past_is_told() -> None:
    async def main() -> None:
        events = Events()
        events.publish("volume", "create", "before")
        stream = events.subscribe()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(first_of(stream))
            await asyncio.sleep(0)
            events.publish("volume", "create", "after")
        assert first.result().actor_id == "after"
        await stream.aclose()
        assert events.listeners == 0

    run(main)


def test_a_slow_subscriber_is_dropped_with_a_reason_after_what_it_had() -> None:
    async def main() -> None:
        events = Events(queue=2)
        stream = events.subscribe()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(first_of(stream))
            await asyncio.sleep(0)
            events.publish("volume", "create", "0")
        assert first.result().actor_id == "0"
        for number in range(1, 5):
            events.publish("volume", "create", str(number))
        assert events.listeners == 0
        assert [(await first_of(stream)).actor_id for _ in range(2)] == ["1", "2"]
        with pytest.raises(Unavailable, match="faster than"):
            await first_of(stream)

    run(main)
