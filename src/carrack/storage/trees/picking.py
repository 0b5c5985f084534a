"""What a source of COPY or ADD means in a tree: which files, and by which names they arrive.

Source: Dockerfile reference, "COPY", "Pattern matching", "--exclude", "--parents". Wildcards are those of
Go's ``filepath.Match``; with ``--parents`` also ``**``.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from carrack.errors import InvalidArgument, NotFound
from carrack.storage.tarheader import DIRECTORY, TarEntry
from carrack.storage.trees.base import Tree, follow, walk

_WILD = re.compile(r"[*?\[\\]")

#: whether a path (text, relative to what is copied) is left out
Excluded = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Picked:
    """One entry of a tree and the path that it gets below the destination; ``b""`` for a folder whose contents go into
    the destination itself."""

    entry: TarEntry
    name: bytes


def has_wildcard(source: str) -> bool:
    """Whether a source may mean any number of files, or none."""
    return _WILD.search(source) is not None


def pick(
    tree: Tree, source: str, excluded: Excluded, *, parents: bool = False, hidden: Excluded | None = None
) -> list[list[Picked]]:
    """What one source means: a list for each thing that matched, the thing itself first, then all that is in it.

    ``hidden``: paths of the tree that count as absent (``.dockerignore``). Raises NotFound for a plain name that is
    nothing, InvalidArgument for one outside the tree.
    """
    clean, pivot = _clean(source)
    seen = _Seen(tree, hidden)
    if not has_wildcard(clean):
        tops = [os.fsencode(clean)]
        if seen.find(follow(tree, tops[0])) is None:
            raise NotFound(f'"/{clean}": not found: it is not in the build context, or is left out by .dockerignore')
    else:
        tops = list(_glob(seen, clean.split("/"), b"", deep=parents))
    return [_whole(seen, top, excluded, pivot if parents else None) for top in tops]


class _Seen:
    """A tree less what is hidden of it. A hidden folder is there all the same when something in it is not hidden."""

    def __init__(self, tree: Tree, hidden: Excluded | None) -> None:
        self.tree = tree
        self._hidden = hidden

    def find(self, path: bytes) -> TarEntry | None:
        entry = self.tree.find(path)
        if entry is None or not path or not self._hides(path):
            return entry
        shown = entry.kind == DIRECTORY and any(not self._hides(each.path) for each in walk(self.tree, path))
        return entry if shown else None

    def names(self, path: bytes) -> Iterator[bytes]:
        for name in self.tree.names(path):
            if self._hidden is None or self.find(posixpath.join(path, name)) is not None:
                yield name

    def below(self, top: bytes) -> Iterator[TarEntry]:
        """All below a folder that is not hidden, and the hidden folders that lead there."""
        above: list[TarEntry] = []
        for entry in walk(self.tree, top):
            while above and not entry.path.startswith(above[-1].path + b"/"):
                above.pop()
            if not self._hides(entry.path):
                yield from above
                above = []
                yield entry
            elif entry.kind == DIRECTORY:
                above.append(entry)

    def _hides(self, path: bytes) -> bool:
        return self._hidden is not None and self._hidden(os.fsdecode(path))


def _clean(source: str) -> tuple[str, int]:
    """The source relative to the tree's root, and how many of its first parts do not arrive with ``--parents``."""
    pivot = 0
    before, mark, after = source.partition("/./")
    if mark:
        head = _relative(before, source)
        pivot = len([part for part in head.split("/") if part])
        source = f"{head}/{after}"
    return _relative(source, source), pivot


def _relative(text: str, shown: str) -> str:
    path = posixpath.normpath(text.lstrip("/") or ".")
    if path == ".." or path.startswith("../"):
        raise InvalidArgument(f"forbidden path outside the build context: {shown}")
    return "" if path == "." else path


def _glob(seen: _Seen, parts: list[str], base: bytes, *, deep: bool) -> Iterator[bytes]:
    if not parts:
        yield base
        return
    first, rest = parts[0], parts[1:]
    if first == "**" and deep:
        yield from _glob(seen, rest, base, deep=deep)
        for name in seen.names(base):
            below = posixpath.join(base, name)
            entry = seen.find(below)
            if entry is not None and entry.kind == DIRECTORY:
                yield from _glob(seen, parts, below, deep=deep)
        return
    matches = _matcher(first)
    for name in seen.names(follow(seen.tree, base)):
        if matches(os.fsdecode(name)):
            yield from _glob(seen, rest, posixpath.join(base, name), deep=deep)


def _matcher(pattern: str) -> Callable[[str], bool]:
    """One part of a path against ``*``, ``?``, ``[a-z]``, ``[^a]`` and ``\\x``."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char in "*?":
            out.append("[^/]*" if char == "*" else "[^/]")
        elif char == "\\" and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        elif char == "[" and (end := pattern.find("]", at + 1)) > 0:
            inside = pattern[at:end].replace("[", "\\[").replace("&&", "&\\&")
            out.append(f"[{inside}]")
            at = end + 1
        else:
            out.append(re.escape(char))
    try:
        expression = re.compile("".join(out), re.DOTALL)
    except re.error as error:
        raise InvalidArgument(f"syntax error in pattern {pattern!r}: {error}") from None
    return lambda name: expression.fullmatch(name) is not None


def _whole(seen: _Seen, top: bytes, excluded: Excluded, pivot: int | None) -> list[Picked]:
    """A thing and all that is in it, by the names they arrive with."""
    place = follow(seen.tree, top)
    entry = seen.find(place)
    if entry is None:
        return []
    base = top.rpartition(b"/")[2]
    if pivot is not None:
        return _with_parents(seen, top, place, excluded, pivot)
    if entry.kind != DIRECTORY:
        return [] if excluded(os.fsdecode(base)) else [Picked(entry, base)]
    found = [Picked(entry, b"")]
    found += [Picked(each, name) for each, name in _inside(seen, place) if not excluded(os.fsdecode(name))]
    return found


def _inside(seen: _Seen, place: bytes) -> Iterator[tuple[TarEntry, bytes]]:
    cut = len(place) + 1 if place else 0
    for each in seen.below(place):
        yield each, each.path[cut:]


def _with_parents(seen: _Seen, top: bytes, place: bytes, excluded: Excluded, pivot: int) -> list[Picked]:
    parts = top.split(b"/")
    kept = parts[pivot:] or [b""]
    found = []
    for count in range(1, len(kept)):
        entry = seen.find(follow(seen.tree, b"/".join(parts[: pivot + count])))
        if entry is not None:
            found.append(Picked(entry, b"/".join(kept[:count])))
    name = b"/".join(kept)
    entry = seen.find(place)
    if entry is not None and not (name and excluded(os.fsdecode(name))):
        found.append(Picked(entry, name))
    if entry is not None and entry.kind == DIRECTORY:
        for each, rest in _inside(seen, place):
            below = posixpath.join(name, rest)
            if not excluded(os.fsdecode(below)):
                found.append(Picked(each, below))
    return found
