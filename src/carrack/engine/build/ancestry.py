"""Images that a classic build may take for its cache (``cachefrom``): a step's result is the next layer of one whose
history is the build's own up to there, and whose next line is the step's.

Lines of what is copied hold a digest of it; those of programs hold what they are given. An image has to be here
already, and whoever names it trusts it: its results are found again only by builds that name it. Source: Docker's
classic builder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.engine.build import keys
from carrack.engine.build.cache import Entry
from carrack.engine.images.image import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.engine.build.checking import Known
    from carrack.engine.build.results import Result
    from carrack.engine.build.working import Note, Tools
    from carrack.oci.image_config import HistoryEntry

_COUNTED = ("created_by", "comment", "author", "empty_layer")


class Ancestors:
    """Those of one build, by name."""

    def __init__(self, names: Sequence[str], bases: Known, tools: Tools) -> None:
        self._names = names
        self._bases = bases
        self._tools = tools

    async def find(self, note: Note, below: Result, line: str) -> tuple[Entry, str] | None:
        """What one of them has of the step with this line of history, and which of them it was; None for nothing."""
        for name in self._names:
            image = await self._bases.known(name, below.platform)
            found = next_layer(image, below, line) if image is not None else None
            if image is None or found is None:
                continue
            entry = await self._taken(note, f"image {image.base}", *found)
            if entry is not None:
                return entry, name
        return None

    async def _taken(self, note: Note, source: str, diff_id: str, created: int) -> Entry | None:
        layers = self._tools.layers
        async with layers.hold([diff_id] if diff_id else []):
            if diff_id and not layers.has(diff_id):
                return None
            entry = Entry(
                key=keys.foreign(note.key, source), diff_id=diff_id, below=note.below, kind=note.kind, created=created,
                description=note.description, size=layers.size([diff_id]) if diff_id else 0, inputs=note.inputs,
            )  # fmt: skip
            return await self._tools.cache.add(entry)


def next_layer(image: Result, below: Result, line: str) -> tuple[str, int] | None:
    """The layer that an image has after all of ``below``, "" where it has none there, and when it was made; None where
    it is another image, or has another line there. Pure."""
    told = len(below.history)
    layers = len(below.layers)
    if image.platform != below.platform or image.layers[:layers] != below.layers or len(image.history) <= told:
        return None
    if _layered(image.history[:told]) != layers or any(map(_differ, image.history, below.history)):
        return None
    entry = image.history[told]
    if entry.get("created_by") != line:
        return None
    if entry.get("empty_layer"):
        return "", moment(entry.get("created", ""))
    return (image.layers[layers], moment(entry.get("created", ""))) if len(image.layers) > layers else None


def _layered(history: Sequence[HistoryEntry]) -> int:
    return sum(not entry.get("empty_layer") for entry in history)


def _differ(one: HistoryEntry, other: HistoryEntry) -> bool:
    return any((one.get(key) or "") != (other.get(key) or "") for key in _COUNTED)
