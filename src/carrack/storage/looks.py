"""Looks into layers for the daemon's event loop: each in a process of its own (:mod:`carrack.storage.looker`)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import carrack
from carrack import errors

if TYPE_CHECKING:
    from carrack.storage.looker import LookRequest

#: (diff id, digest of the kept blob or "") of an image's layers, the base first
ImageLayers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class LookSettings:
    """``driver`` and ``root``: as WorkerSettings has them; ``content``: the root of the content store."""

    driver: str
    root: Path
    content: Path
    python: str = sys.executable
    patience: float = 900.0  # seconds; a layer of 50,000 files takes less than two


async def look(
    settings: LookSettings, images: Sequence[ImageLayers], *, full: bool = False, most: int = 1000
) -> dict[str, Any]:
    """The report on one image (see ``explain``) or on two (``compare``, with ``Packages``); the caller holds them.

    Raises NotFound for a layer whose bytes were not kept, InvalidArgument for a damaged one, OSError, and Internal if
    the process dies.
    """
    request: LookRequest = {
        "driver": settings.driver,
        "root": str(settings.root),
        "content": str(settings.content),
        "images": [list(image) for image in images],
        "full": full,
        "most": most,
        "parent": os.getpid(),
    }
    process = await asyncio.create_subprocess_exec(
        *(settings.python, "-P", "-s", "-m", "carrack.storage.looker", json.dumps(request)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(carrack.__file__).parent.parent), "LC_ALL": "C.UTF-8"},
        cwd="/",
    )
    try:
        async with asyncio.timeout(settings.patience):
            output, complaints = await process.communicate()
    except BaseException as failure:
        if process.returncode is None:
            process.kill()  # it writes nothing that would have to be cleaned up
        await asyncio.shield(process.wait())
        if isinstance(failure, TimeoutError):
            raise errors.Unavailable(f"looking into the layers takes longer than {settings.patience:.0f} s") from None
        raise
    return _answer(output, complaints, process.returncode)


def _answer(output: bytes, complaints: bytes, code: int | None) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError:
        reason = complaints.decode(errors="replace").strip().rpartition("\n")[2]
        raise errors.Internal(f"the process that looks into layers died: {reason or code}") from None
    if "error" not in answer:
        return answer
    if answer["error"] == "OSError":
        raise OSError(answer["errno"], answer["message"])
    raise getattr(errors, answer["error"])(answer["message"])
