"""COPY, ADD and WORKDIR: from what a step says and the trees it takes from to the tar of a layer.

All of it blocks and runs in a thread; nothing here knows of caches or of other steps.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carrack.dockerfile.ignore import Ignored
from carrack.engine.build import owners
from carrack.engine.build.steps import CopyStep, WorkdirStep
from carrack.errors import InvalidArgument
from carrack.storage.tarheader import DIRECTORY, REGULAR, TarEntry
from carrack.storage.trees import modes, picking
from carrack.storage.trees.base import Tree, walk
from carrack.storage.trees.layer import EmptyTree, LayerMaker, Looks, content_digest
from carrack.storage.trees.picking import Picked

if TYPE_CHECKING:
    from carrack.engine.build.request import Files
    from carrack.storage.tarwriter import Write


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL or a git repository gave: a tree of one file, or of a checkout (``whole``), and its archive if the
    file is one and is to be unpacked. ``digest``: of the file, or the commit (``sha1:…``)."""

    tree: Tree
    whole: bool = False
    digest: str = ""


@dataclass(slots=True)
class Gathered:
    """All that a step copies, before anything is copied. ``groups``: by source, the things that matched; ``archives``:
    trees of archives to be unpacked, by the entry that is the archive."""

    step: CopyStep
    groups: list[tuple[Tree, list[list[Picked]]]] = field(default_factory=list)
    archives: dict[int, Tree] = field(default_factory=dict)

    def digest(self) -> str:
        """Of all contents, times left out."""
        inline = {doc.name: doc.content.encode() for doc in self.step.inline}
        flat = [(tree, [each for thing in things for each in thing]) for tree, things in self.groups]
        return content_digest(flat, inline)

    def kinds(self) -> list[bool]:
        """Of each thing that matched, and of each file written in place, whether it is a directory."""
        return [thing[0].entry.kind == DIRECTORY for _, thing in self.things()] + [False] * len(self.step.inline)

    def things(self) -> Iterator[tuple[Tree, list[Picked]]]:
        """Each thing that matched, with the tree it is of."""
        for tree, things in self.groups:
            for thing in things:
                if thing:
                    yield tree, thing


def gather(step: CopyStep, files: Files | None, fetched: dict[str, Fetched]) -> Gathered:
    """Find what the sources mean. ``files``: what local sources are of; ``fetched``: by source, what was fetched.

    Raises NotFound or InvalidArgument for a source that is nothing.
    """
    result = Gathered(step)
    excluded = Ignored(list(step.exclude))
    inline = {doc.name for doc in step.inline}
    for source in step.sources:
        if source.lstrip("0123456789").startswith("<<") and inline:
            continue
        if source in fetched:
            found = fetched[source]
            result.groups.append(
                (found.tree, picking.pick(found.tree, "." if found.whole else "*", excluded.__contains__))
            )
            continue
        if files is None:
            raise InvalidArgument(f"there is no build context to copy {source!r} from")
        things = picking.pick(files.tree, source, excluded.__contains__, parents=step.parents, hidden=files.hidden)
        result.groups.append((files.tree, things))
    return result


def write_copy(gathered: Gathered, base: Tree, write: Write, now: int, newest: int | None) -> int:
    """Write the layer of a copy onto ``base``; returns how many entries it has. ``now``, ``newest``: see LayerMaker."""
    step = gathered.step
    below = EmptyTree() if step.link else base
    maker = LayerMaker(below, now)
    looks = _looks(step, base, newest)
    things = list(gathered.things())
    place = maker.destination(step.destination)
    several = len(things) + len(step.inline) > 1
    into = step.destination.endswith("/") or maker.is_folder(place) or step.parents
    if several and not into:
        raise InvalidArgument(
            f"when using {'ADD' if step.remote else 'COPY'} with more than one source file, "
            f"the destination must be a directory and end with a /: {step.destination!r}"
        )
    for tree, thing in things:
        _put(maker, gathered, tree, thing, place, into, looks)
    for doc in step.inline:
        target = posixpath.join(place, os.fsencode(doc.name)) if into else place
        maker.put_bytes(doc.content.encode("utf-8", "surrogateescape"), target, looks, mtime=now)
    return maker.write(write)


def _put(
    maker: LayerMaker, gathered: Gathered, tree: Tree, thing: list[Picked], place: bytes, into: bool, looks: Looks
) -> None:
    first = thing[0]
    archive = gathered.archives.get(id(first.entry))
    if archive is not None:
        given = gathered.step.owner and not gathered.step.archives_keep_owners
        kept = looks if given else Looks(None, looks.mode, looks.newest)
        maker.unpack(archive, _entries(archive), place, kept)
    elif gathered.step.parents or first.entry.kind == DIRECTORY:
        maker.put(tree, thing, place, looks)
    else:
        target = posixpath.join(place, first.name) if into else place
        maker.put_file(tree, first.entry, target, looks)


def _entries(tree: Tree) -> Iterator[TarEntry]:
    return walk(tree, b"")


def _looks(step: CopyStep, base: Tree, newest: int | None) -> Looks:
    """Files of the context are root's; those of stages and images keep their owners."""
    owner = owners.resolve(base, step.owner) if step.owner else None if step.origin else (0, 0)
    mode = modes.parse(step.mode) if step.mode else None
    return Looks(owner, mode, newest, int(step.mode, 8) if step.mode.isdecimal() else 0o755)


def write_workdir(step: WorkdirStep, base: Tree, write: Write, now: int) -> int:
    """Write the layer of a WORKDIR; 0 entries (and an empty tar) when the directory is there."""
    maker = LayerMaker(base, now)
    place = maker.destination(step.path)
    if not maker.is_folder(place):
        found = base.find(place)
        if found is not None:
            raise InvalidArgument(f"WORKDIR {step.path}: there is a file of that name")
        maker.folder(place, Looks(_user(base, step.user)))
    return maker.write(write)


def _user(base: Tree, user: str) -> tuple[int, int]:
    """Whose a WORKDIR is: the user's of the stage, root's where the stage's files do not know of that user."""
    try:
        return owners.resolve(base, user) if user else (0, 0)
    except InvalidArgument:
        return (0, 0)


def single_files(gathered: Gathered) -> Iterator[tuple[Tree, TarEntry]]:
    """The regular files among the sources themselves: what ADD looks into for archives."""
    for tree, thing in gathered.things():
        if len(thing) == 1 and thing[0].entry.kind == REGULAR:
            yield tree, thing[0].entry
