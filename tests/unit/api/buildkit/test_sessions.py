"""Sessions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.http.test_grpc import pipes

from carrack.api.buildkit import sessions
from carrack.errors import InvalidArgument, NotFound

HEADERS = {"X-Docker-Expose-Session-Uuid": "s1"}


def test_one_lasts_as_long_as_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        known = sessions.Sessions()
        ours, theirs = pipes()
        waiting = asyncio.get_running_loop().create_task(known.find("s1"))
        await asyncio.sleep(0)
        serving = asyncio.get_running_loop().create_task(known.serve(ours, HEADERS, ["/a.B/C"]))
        session = await waiting
        assert (session.id, session.offers("/a.b/c"), session.offers("/x")) == ("s1", True, False)
        theirs.close()
        await asyncio.wait_for(serving, 5)
        monkeypatch.setattr(sessions, "_PATIENCE", 0.01)
        with pytest.raises(NotFound, match="no active session for s1"):
            await known.find("s1")

    asyncio.run(run())


def test_a_session_needs_a_name() -> None:
    async def run() -> None:
        stream: Any = pipes()[0]
        with pytest.raises(InvalidArgument):
            await sessions.Sessions().serve(stream, {}, [])

    asyncio.run(run())
