"""Judges blobs and layers for the daemon's event loop, in a process of its own (:mod:`carrack.storage.judge`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import carrack
from carrack.errors import Internal
from carrack.storage.judge import Verdict

if TYPE_CHECKING:
    from carrack.storage.judge import JudgeRequest


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """``driver`` and ``root``: as WorkerSettings has them; ``content``: the root of the content store."""

    driver: str
    root: Path
    content: Path
    python: str = sys.executable


class Judge:
    """One process, asked one thing at a time. Internal when it has died."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def blob(self, digest: str) -> Verdict:
        """Whether a blob is what its name says."""
        return await self._ask("blob", digest)

    async def layer(self, diff_id: str) -> Verdict:
        """Whether a layer is what its diff id says."""
        return await self._ask("layer", diff_id)

    async def _ask(self, kind: str, digest: str) -> Verdict:
        writer, reader = self._process.stdin, self._process.stdout
        assert writer is not None
        assert reader is not None
        with contextlib.suppress(ConnectionError):  # then there is no answer either
            writer.write(f"{kind} {digest}\n".encode())
            await writer.drain()
        line = await reader.readline()
        if not line:
            raise Internal(f"the process that reads everything again died at {kind} {digest}")
        return Verdict(**json.loads(line))


@contextlib.asynccontextmanager
async def judging(settings: JudgeSettings) -> AsyncIterator[Judge]:
    """A judge for as long as the context lasts."""
    request: JudgeRequest = {
        "driver": settings.driver,
        "root": str(settings.root),
        "content": str(settings.content),
        "parent": os.getpid(),
    }
    process = await asyncio.create_subprocess_exec(
        *(settings.python, "-P", "-s", "-m", "carrack.storage.judge", json.dumps(request)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": str(Path(carrack.__file__).parent.parent), "LC_ALL": "C.UTF-8"},
        cwd="/",
    )
    try:
        yield Judge(process)
    finally:
        if process.returncode is None:
            process.kill()  # it writes nothing that would have to be cleaned up
        await asyncio.shield(process.wait())
