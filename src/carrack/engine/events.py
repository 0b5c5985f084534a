"""What has happened lately, told to whoever listens: `docker events`, the supervisor of tests, a dashboard.

A bounded history answers "since"; a subscriber that does not keep up is dropped rather than held in memory.
All of it happens on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from carrack.errors import Unavailable
from carrack.model.labels import matches

HISTORY = 256
"""Events that are remembered."""

QUEUE = 1024
"""Events a subscriber may be behind before it is dropped."""

Filters = Mapping[str, list[str]]

_ACTORS = ("container", "daemon", "network", "node", "plugin", "service", "secret", "config", "volume")
_SPLIT_ACTIONS = frozenset(("health_status", "exec_create", "exec_start"))


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `time_ns` is nanoseconds since 1970."""

    type: str
    action: str
    actor_id: str
    attributes: Mapping[str, str]
    scope: str
    time_ns: int

    def document(self) -> dict[str, Any]:
        """The Engine API's event, with the three older fields that API 1.51 and below still carry."""
        old: dict[str, Any] = {}
        if self.type in ("container", "image"):
            old = {"status": self.action, **({"id": self.actor_id} if self.actor_id else {})}
        if self.type == "container" and self.attributes.get("image"):
            old["from"] = self.attributes["image"]
        return {
            **old,
            "Type": self.type,
            "Action": self.action,
            "Actor": {"ID": self.actor_id, "Attributes": dict(self.attributes)},
            "scope": self.scope,
            "time": self.time_ns // 1_000_000_000,
            "timeNano": self.time_ns,
        }

    def encode(self) -> bytes:
        """The document as one JSON line."""
        return (json.dumps(self.document(), ensure_ascii=False, separators=(",", ":")) + "\n").encode()


@dataclass(eq=False, slots=True)
class _Subscriber:
    wanted: Callable[[Event], bool]
    queue: deque[Event] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: bool = False


class Events:
    """The daemon's events."""

    def __init__(self, history: int = HISTORY, queue: int = QUEUE, clock: Callable[[], int] = time.time_ns) -> None:
        self._history: deque[Event] = deque(maxlen=history)
        self._queue = queue
        self._clock = clock
        self._subscribers: set[_Subscriber] = set()
        self.count = 0
        """How many there have been since the daemon started."""

    @property
    def listeners(self) -> int:
        """How many subscriptions are open."""
        return len(self._subscribers)

    def publish(
        self, type: str, action: str, actor_id: str, attributes: Mapping[str, str] | None = None, scope: str = "local"
    ) -> Event:
        """Record that `action` happened to the object `actor_id` of `type`, and tell the subscribers."""
        event = Event(type, action, actor_id, dict(sorted((attributes or {}).items())), scope, self._clock())
        self._history.append(event)
        self.count += 1
        for subscriber in list(self._subscribers):
            if subscriber.wanted(event):
                self._hand(subscriber, event)
        return event

    async def subscribe(
        self, since: int | None = None, until: int | None = None, filters: Filters | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield events that match, as they happen; first the remembered ones from `since` (nanoseconds) on.

        With neither `since` nor `until` nothing of the past is told. Ends at `until`. Raises InvalidArgument for an
        unknown filter, and Unavailable when the subscriber has fallen too far behind.
        """
        subscriber = _Subscriber(matcher(filters or {}))
        if since is not None or until is not None:
            subscriber.queue.extend(self._past(since, until, subscriber.wanted))
        if until is not None and until <= self._clock():
            for event in subscriber.queue:
                yield event
            return
        subscriber.ready.set()
        self._subscribers.add(subscriber)
        try:
            async for event in self._follow(subscriber, until):
                yield event
        finally:
            self._subscribers.discard(subscriber)

    async def _follow(self, subscriber: _Subscriber, until: int | None) -> AsyncGenerator[Event, None]:
        deadline = None
        if until is not None:
            deadline = asyncio.get_running_loop().time() + (until - self._clock()) / 1e9
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await subscriber.ready.wait()
            except TimeoutError:
                return
            while subscriber.queue:
                yield subscriber.queue.popleft()
            if subscriber.dropped:
                raise Unavailable("events come faster than this client reads them; subscribe again with a since time")
            subscriber.ready.clear()

    def _past(self, since: int | None, until: int | None, wanted: Callable[[Event], bool]) -> Iterable[Event]:
        for event in self._history:
            late_enough = since is None or event.time_ns >= since
            early_enough = until is None or event.time_ns <= until
            if late_enough and early_enough and wanted(event):
                yield event

    def _hand(self, subscriber: _Subscriber, event: Event) -> None:
        if len(subscriber.queue) >= self._queue:
            subscriber.dropped = True
            self._subscribers.discard(subscriber)
        else:
            subscriber.queue.append(event)
        subscriber.ready.set()


def matcher(filters: Filters) -> Callable[[Event], bool]:
    """A test for events by Docker's filters; values of one key are alternatives, but labels must all match.

    As with Docker, a key that is none is passed over.
    """
    tests = [_TESTS[key](values) for key, values in filters.items() if values and key in _TESTS]
    return lambda event: all(test(event) for test in tests)


def _exactly(attribute: str) -> Callable[[list[str]], Callable[[Event], bool]]:
    def make(values: list[str]) -> Callable[[Event], bool]:
        return lambda event: getattr(event, attribute) in values

    return make


def _action(values: list[str]) -> Callable[[Event], bool]:
    # Actions such as "health_status: healthy" carry more after the word one filters by.
    if _SPLIT_ACTIONS.intersection(values):
        return lambda event: event.action in values or event.action.startswith(tuple(values))
    return lambda event: event.action in values


def _actor(type: str) -> Callable[[list[str]], Callable[[Event], bool]]:
    def make(values: list[str]) -> Callable[[Event], bool]:
        # A beginning of the id or of the name is enough, as in dockerd.
        beginnings = tuple(values)

        def test(event: Event) -> bool:
            name = event.attributes.get("name", "")
            return event.type == type and (event.actor_id.startswith(beginnings) or name.startswith(beginnings))

        return test

    return make


def _image(values: list[str]) -> Callable[[Event], bool]:
    def test(event: Event) -> bool:
        name = event.attributes.get("name" if event.type == "image" else "image", "")
        return any(word in values for word in (event.actor_id, name, _untagged(event.actor_id), _untagged(name)))

    return test


def _untagged(reference: str) -> str:
    """The reference without its tag: the part after a colon that is no port."""
    name, colon, tag = reference.rpartition(":")
    return name if colon and "/" not in tag else reference


def _label(values: list[str]) -> Callable[[Event], bool]:
    return lambda event: all(matches(event.attributes, value) for value in values)


_TESTS: dict[str, Callable[[list[str]], Callable[[Event], bool]]] = {
    **{type: _actor(type) for type in _ACTORS},
    "type": _exactly("type"),
    "scope": _exactly("scope"),
    "event": _action,
    "image": _image,
    "label": _label,
}
