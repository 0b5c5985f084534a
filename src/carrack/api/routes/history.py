"""Ours, beside Docker's API: the history of builds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from carrack.api.app import Route
from carrack.api.response import JSON, Response, json_response, stream
from carrack.engine.build.recording import graph
from carrack.errors import Conflict
from carrack.model import times

if TYPE_CHECKING:
    from carrack.api.request import Request
    from carrack.api.stream import StreamWriter
    from carrack.engine.build.history import History, Record
    from carrack.engine.build.recording import Step


def routes(history: History) -> list[Route]:
    """The route table."""

    async def listing(_: Request) -> Response:
        return json_response([document(record) for record in history.all()])

    async def inspect(request: Request) -> Response:
        record = history.get(request.path["ref"])
        recording = history.recording(record.ref)
        events = recording.events if recording else [event async for event in history.events(record.ref)]
        steps = [_step(step) for step in graph(events)]
        return json_response({**document(record), "Steps": steps})

    async def logs(request: Request) -> Response:
        events = history.events(history.get(request.path["ref"]).ref)

        async def produce(writer: StreamWriter) -> None:
            async for event in events:
                await writer.json(event)

        return stream(produce, content_type=JSON)

    async def remove(request: Request) -> Response:
        record = history.get(request.path["ref"])
        if not record.completed:
            raise Conflict(f"the build {record.ref} goes on: it can be removed from the history when it is over")
        await history.remove([record])
        return Response(204)

    return [
        Route("GET", "/builds/json", listing),
        Route("GET", "/builds/{ref}/json", inspect),
        Route("GET", "/builds/{ref}/logs", logs),
        Route("DELETE", "/builds/{ref}", remove),
    ]


def document(record: Record) -> dict[str, Any]:
    """A record as the API shows it."""
    names = next((each["Attrs"]["name"] for each in record.exports if each.get("Attrs", {}).get("name")), "")
    until = record.completed or times.now()
    return {
        "Ref": record.ref,
        "Names": names.split(",") if names else [],
        "Status": _status(record),
        "Frontend": record.frontend,
        "Created": _moment(record.created),
        "Completed": _moment(record.completed),
        "Nanoseconds": until - record.created,
        "Error": record.error,
        "Attributes": record.attributes,
        "Exports": record.exports,
        "Answer": record.answer,
        "Pinned": record.pinned,
        **{name.capitalize(): value for name, value in asdict(record).items() if name in _FIGURES},
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "Digest": step.digest,
        "Name": step.name,
        "Inputs": list(step.inputs),
        "Started": _moment(step.started),
        "Completed": _moment(step.ended),
        "Nanoseconds": max(0, step.ended - step.started),
        "Cached": step.cached,
        "Error": step.error,
        "Reason": step.reason,
    }


_FIGURES = ("total", "cached", "done", "warnings")


def _status(record: Record) -> str:
    if not record.completed:
        return "running"
    if not record.error:
        return "completed"
    return "canceled" if record.code == 1 else "failed"


def _moment(at: int) -> str:
    return times.rfc3339(at) if at else ""
