"""Why a step had to be done: the first thing in which it differs from its latest version, down to the file it took.

What a copy took is in its layer, and what its latest version took in that one's: the two are compared. That reads
files, so it is done only for who asks (``--explain``).
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from carrack.engine.build import keys
from carrack.engine.build.steps import CopyStep
from carrack.errors import NotFound
from carrack.storage.trees.changes import first_change

if TYPE_CHECKING:
    from carrack.engine.build.cache import Entry
    from carrack.engine.build.working import Note, Tools, Worker


class Reasons:
    """Finds them. ``closely``: down to the file."""

    def __init__(self, tools: Tools, worker: Worker, *, closely: bool) -> None:
        self._layers = tools.layers
        self._worker = worker
        self._closely = closely

    async def of(self, previous: Entry | None, note: Note, entry: Entry) -> str:
        """Why the step of ``note``, whose result is ``entry``, had to be done after its latest version."""
        if previous is None:
            return "it was never done before"
        found = keys.difference(previous.inputs, note.inputs) or "its result was no longer there"
        copied = note.inputs.get("kind") == CopyStep.__name__
        if self._closely and copied and keys.differing(previous.inputs, note.inputs) == keys.FILES:
            return found + await self._file(previous, entry)
        return found

    async def _file(self, previous: Entry, entry: Entry) -> str:
        old, new = ((each.diff_id,) if each.diff_id else () for each in (previous, entry))
        try:
            async with self._layers.hold((*old, *new)), self._worker.tree(old) as was, self._worker.tree(new) as now:
                found = await asyncio.to_thread(first_change, was, now)
        except NotFound:  # its layer was removed
            return ""
        return f": /{os.fsdecode(found[0])} {found[1]}" if found else ""
