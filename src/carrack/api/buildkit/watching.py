"""What a build tells, as BuildKit's status messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carrack.engine.build.recording import Event

Message = dict[str, Any]
_ITEM = 512
_LARGE = 128 << 10  # a client takes messages of 4 MiB


class Told:
    """Turns the events of one build, in their order, into messages."""

    def __init__(self) -> None:
        self._file: Event = {"name": "Dockerfile", "text": ""}

    def message(self, event: Event) -> Message | None:
        """That of an event; None for one that has none."""
        if event["do"] == "file":
            self._file = event
            return None
        if event["do"] == "warn":
            return {"warnings": [_warning(event, self._file)]}
        return _MESSAGES[event["do"]](event)


async def messages(bursts: AsyncIterator[list[Event]]) -> AsyncIterator[Message]:
    """One message for all events of a kind that come one after the other at a time, since each message costs a client
    and us much more than what is in it; see :mod:`carrack.engine.build.recording`."""
    told = Told()
    async for burst in bursts:
        held: Message = {}
        size = 0
        for event in burst:
            for kind, items in (told.message(event) or {}).items():
                if held and (kind not in held or size > _LARGE):
                    yield held
                    held, size = {}, 0
                held.setdefault(kind, []).extend(items)
                size += _ITEM + len(event.get("text", ""))
        if held:
            yield held


def moment(at: int) -> Message:
    """Nanoseconds since 1970 as a Timestamp."""
    seconds, nanos = divmod(at, 1_000_000_000)
    return {"seconds": seconds, "nanos": nanos}


def _started(event: Event) -> Message:
    vertex = {"digest": event["vertex"], "inputs": event["inputs"], "name": event["name"]}
    return {"vertexes": [{**vertex, "started": moment(event["at"])}]}


def _log(event: Event) -> Message:
    data = event["text"].encode("utf-8", "surrogateescape")
    log = {"vertex": event["vertex"], "timestamp": moment(event["at"]), "stream": event["stream"], "msg": data}
    return {"logs": [log]}


def _moved(event: Event) -> Message:
    at, total = moment(event["at"]), event["total"]
    status = {"ID": event["what"], "vertex": event["vertex"], "name": event["what"], "current": event["current"]}
    done = at if total and event["current"] >= total else None
    return {
        "statuses": [{**status, "total": total, "timestamp": at, "started": moment(event["began"]), "completed": done}]
    }


def _ended(event: Event) -> Message:
    vertex = {"digest": event["vertex"], "inputs": event["inputs"], "name": event["name"]}
    times = {"started": moment(event["began"]), "completed": moment(event["at"])}
    return {"vertexes": [{**vertex, **times, "cached": event["cached"], "error": event["error"]}]}


def _warning(event: Event, file: Event) -> Message:
    line, text = event["line"], event["text"]
    shown = f"{text} (line {line})" if line else text
    warning: Message = {"vertex": event["vertex"], "level": 1, "short": shown.encode()}
    if event.get("about"):
        warning |= {"detail": [event["about"].encode()], "url": event["url"]}
    if line:
        data = file["text"].encode("utf-8", "surrogateescape")
        warning["info"] = {"filename": file["name"], "data": data, "language": "Dockerfile"}
        warning["ranges"] = [{"start": {"line": line}, "end": {"line": event["end"]}}]
    return warning


_MESSAGES = {"start": _started, "log": _log, "move": _moved, "end": _ended}
