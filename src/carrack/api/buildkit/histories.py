"""BuildKit's history of builds (``docker buildx history``), and the content that its records point to."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, BinaryIO

from carrack.api.buildkit import messages as m
from carrack.api.buildkit.watching import moment
from carrack.engine.build.enclosing import ERROR, LOG, PROVENANCE, RESULT
from carrack.engine.build.history import COMPLETE, STARTED
from carrack.errors import NotFound
from carrack.http.grpc import ANSWERS, UNARY, Method
from carrack.model import times
from carrack.oci import digest as digests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from carrack.engine.build.history import History, Record
    from carrack.storage.content import ContentStore

_PIECE = 1 << 20
#: how a client learns what time it is here, to tell how long a build has gone on
_CLOCK = "buildkit-current-timestamp"
_CONTENT = "/containerd.services.content.v1.Content/"


class Histories:
    """Answers calls."""

    def __init__(self, history: History, content: ContentStore) -> None:
        self._history = history
        self._content = content

    def methods(self) -> dict[str, Method]:
        """By path, what is answered."""
        control = "/moby.buildkit.v1.Control/"
        return {
            f"{control}ListenBuildHistory": Method(self._listen, ANSWERS, m.HISTORY_REQUEST, m.HISTORY_EVENT),
            f"{control}UpdateBuildHistory": Method(self._update, UNARY, m.HISTORY_UPDATE, m.EMPTY),
            f"{_CONTENT}Info": Method(self._info, UNARY, m.CONTENT_INFO_REQUEST, m.CONTENT_INFO_RESPONSE),
            f"{_CONTENT}Read": Method(self._read, ANSWERS, m.CONTENT_READ_REQUEST, m.CONTENT_READ_RESPONSE),
        }

    async def _listen(self, call: Any) -> None:
        """What there is, oldest first; then, unless the client wants no more, what happens."""
        asked = await call.recv_message()
        await call.send_initial_metadata(metadata={_CLOCK: times.rfc3339(times.now())})
        coming = self._history.listen()
        for record in reversed(self._wanted(asked)):
            await self._history.settled(record)
            kind = COMPLETE if record.completed else STARTED
            await call.send_message({"type": kind, "record": message(record)})
        if not asked["EarlyExit"]:
            await self._go_on(call, asked, coming)

    async def _go_on(self, call: Any, asked: dict[str, Any], coming: AsyncIterator[tuple[int, Record]]) -> None:
        async for kind, record in coming:
            if asked["Ref"] in ("", record.ref) and not (asked["ActiveOnly"] and kind != STARTED):
                await call.send_message({"type": kind, "record": message(record)})

    def _wanted(self, asked: dict[str, Any]) -> list[Record]:
        """Newest first. Filters are left to the client, which applies them itself; a limit counts what they leave."""
        found = self._history.all()
        if asked["Ref"]:
            found = [record for record in found if record.ref == asked["Ref"]]
        if asked["ActiveOnly"]:
            found = [record for record in found if not record.completed]
        return found[: asked["Limit"]] if asked["Limit"] > 0 and not asked["Filter"] else found

    async def _update(self, call: Any) -> None:
        asked = await call.recv_message()
        if asked["Delete"]:
            await self._history.remove([self._history.get(asked["Ref"])])
        elif not asked["Finalize"]:
            await self._history.update(asked["Ref"], pinned=asked["Pinned"])
        await call.send_message({})

    async def _content_of(self, digest: str) -> BinaryIO:
        """Something by its digest: what a record encloses, or what is stored as images are. Raises NotFound."""
        digests.validate(digest)
        enclosed = await asyncio.to_thread(self._history.enclosed, digest)
        if enclosed is not None:
            return io.BytesIO(enclosed)
        try:
            return self._content.open(digest)
        except OSError:
            raise NotFound(f"content {digest}: not found") from None

    async def _info(self, call: Any) -> None:
        digest = (await call.recv_message())["digest"]
        with await self._content_of(digest) as file:
            size = file.seek(0, io.SEEK_END)
        await call.send_message({"info": {"digest": digest, "size": size}})

    async def _read(self, call: Any) -> None:
        asked = await call.recv_message()
        with await self._content_of(asked["digest"]) as file:
            size = file.seek(0, io.SEEK_END)
            at = max(0, asked["offset"])
            end = size if asked["size"] <= 0 else min(size, at + asked["size"])
            file.seek(at)
            while at < end:
                data = await asyncio.to_thread(file.read, min(_PIECE, end - at))
                if not data:
                    break
                await call.send_message({"offset": at, "data": data})
                at += len(data)


def message(record: Record) -> dict[str, Any]:
    """A record in BuildKit's form."""
    error = {"code": record.code, "message": record.error} if record.error else None
    logs, errors = _listed(record, LOG), _listed(record, ERROR)
    return {
        "Ref": record.ref, "Frontend": record.frontend, "FrontendAttrs": record.attributes,
        "Exporters": record.exports, "error": error, "CreatedAt": moment(record.created),
        "CompletedAt": moment(record.completed) if record.completed else None, "ExporterResponse": record.answer,
        "Result": _result(record), "Results": _results(record), "Generation": 1 + bool(record.completed),
        "pinned": record.pinned, "numCachedSteps": record.cached, "numTotalSteps": record.total,
        "numCompletedSteps": record.done, "numWarnings": record.warnings,
        "logs": logs[0] if logs else None, "externalError": errors[0] if errors else None,
    }  # fmt: skip


def _listed(record: Record, kind: str, platform: str = "") -> list[dict[str, Any]]:
    return [entry for entry in record.enclosed if entry["kind"] == kind and entry["platform"] == platform]


def _result(record: Record) -> dict[str, Any] | None:
    """What the exports gave, and what is said about it where it is of one platform."""
    made, said = _listed(record, RESULT), _listed(record, PROVENANCE)
    if not made and not said:
        return None
    return {
        "ResultDeprecated": made[0] if made else None,
        "Attestations": said,
        "Results": [{"key": entry["number"], "value": entry} for entry in made],
    }


def _results(record: Record) -> dict[str, dict[str, Any]]:
    """By platform, what is said about it."""
    platforms = {entry["platform"]: None for entry in record.enclosed if entry["platform"]}
    return {platform: {"Attestations": _listed(record, PROVENANCE, platform)} for platform in platforms}
