"""Layer work for the daemon's event loop: each layer in a process of its own (:mod:`carrack.storage.worker`)."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import carrack
from carrack import errors
from carrack.storage.apply import Applied, Expected, Spooled
from carrack.storage.compression import Budget
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.worker import WorkerRequest

_PATIENCE = 5.0  # seconds from SIGTERM to SIGKILL; removing a half-unpacked layer takes a while


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """``driver`` is the chosen Snapshotter's name and ``root`` what ``choose`` was given; ``content`` the root of the
    content store, None to keep no blobs."""

    driver: str
    root: Path
    content: Path | None = None
    budget: Budget = field(default_factory=Budget)
    python: str = sys.executable


async def apply_layer(
    settings: WorkerSettings, source_fd: int, expected: Expected | None = None, spooled: Spooled | None = None
) -> Applied:
    """Store the layer that is read from a descriptor (file, pipe or socket; the caller keeps and closes its own).

    ``spooled``: the descriptor is of such a file, for reading and writing; it may become the layer, or be read.

    Raises what ``apply`` raises, and Internal if the worker dies. When cancelled, the worker is stopped and has
    cleaned up before the cancellation goes on.
    """
    expected = expected or Expected()
    request: WorkerRequest = {
        "driver": settings.driver,
        "root": str(settings.root),
        "content": str(settings.content) if settings.content else None,
        "digest": expected.digest,
        "diff_id": expected.diff_id,
        "size": expected.size,
        "budget": dataclasses.astuple(settings.budget),
        "spooled": dataclasses.astuple(spooled) if spooled else None,
        "parent": os.getpid(),
    }
    process = await asyncio.create_subprocess_exec(
        *(settings.python, "-P", "-s", "-m", "carrack.storage.worker", json.dumps(request)),
        stdin=source_fd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(carrack.__file__).parent.parent), "LC_ALL": "C.UTF-8"},
        cwd="/",
    )
    try:
        output, complaints = await process.communicate()
    except BaseException:
        await asyncio.shield(_stop(process))
        if process.returncode != 1:  # it did not come to clean up
            await asyncio.shield(asyncio.to_thread(_sweep, settings))
        raise
    if process.returncode not in (0, 1):
        await asyncio.to_thread(_sweep, settings)
    return _answer(output, complaints, process.returncode)


def _sweep(settings: WorkerSettings) -> None:
    """Remove what a worker that was killed had begun; what others are at is locked."""
    LayerDirectories(settings.root / settings.driver).sweep()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.communicate(), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.communicate()


def _answer(output: bytes, complaints: bytes, code: int | None) -> Applied:
    try:
        answer = json.loads(output)
    except ValueError:
        reason = complaints.decode(errors="replace").strip().rpartition("\n")[2]
        if code is not None and code < 0:
            reason = f"killed by {signal.Signals(-code).name}; nothing of the layer was kept, try again"
        raise errors.Internal(f"the process storing a layer died: {reason or code}") from None
    if "error" not in answer:
        return Applied(**answer)
    if answer["error"] == "OSError":
        raise OSError(answer["errno"], answer["message"])
    raise getattr(errors, answer["error"])(answer["message"])
