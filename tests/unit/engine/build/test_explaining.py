"""Why steps are done; with real files in tests/cli/test_build.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carrack.engine.build.cache import Entry
from carrack.engine.build.explaining import Reasons
from carrack.engine.build.working import Note
from carrack.errors import NotFound
from carrack.storage.tarheader import REGULAR, TarEntry


class _Tree:
    """One file, `f`."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def find(self, path: bytes) -> TarEntry:
        entry = TarEntry(path, REGULAR, 0o644)
        entry.size = len(self._content)
        return entry

    def names(self, path: bytes) -> list[bytes]:
        return [b"f"] if not path else []

    def digest(self, entry: TarEntry) -> bytes:
        return self._content


class _World:
    """Layers and their trees."""

    layers: _World

    def __init__(self) -> None:
        self.layers = self
        self.trees = {(): b"", ("old",): b"1", ("new",): b"2"}
        self.held: list[str] = []

    @asynccontextmanager
    async def hold(self, layers: tuple[str, ...]) -> AsyncIterator[None]:
        self.held += layers
        yield

    @asynccontextmanager
    async def tree(self, layers: tuple[str, ...]) -> AsyncIterator[_Tree]:
        if layers not in self.trees:
            raise NotFound("no such layer")
        yield _Tree(self.trees[layers])


def why(previous: Entry | None, inputs: dict[str, Any], *, closely: bool = True) -> str:
    world: Any = _World()
    reasons = Reasons(world, world, closely=closely)
    return asyncio.run(reasons.of(previous, Note("k", (), inputs, "", ""), Entry("k", "new")))


def test_the_first_difference() -> None:
    assert why(None, {"words": ["a"]}) == "it was never done before"
    assert why(Entry("k", "", inputs={"words": ["b"]}), {"words": ["a"]}) == "the command was 'b', is 'a'"
    assert why(Entry("k", "", inputs={"words": ["a"]}), {"words": ["a"]}) == "its result was no longer there"


@pytest.mark.parametrize(
    ("kind", "layer", "closely", "told"),
    [
        ("CopyStep", "old", True, ": /f has other contents"),
        ("CopyStep", "old", False, ""),
        ("CopyStep", "gone", True, ""),  # its layer was removed meanwhile
        ("RunStep", "old", True, ""),  # what it took is not in its layer
    ],
)
def test_of_a_copy_the_file_is_named(kind: str, layer: str, closely: bool, told: str) -> None:
    before = Entry("k", layer, inputs={"kind": kind, "files": {"context": "1"}})
    found = why(before, {"kind": kind, "files": {"context": "2"}}, closely=closely)
    assert found == "the files of context are different" + told
