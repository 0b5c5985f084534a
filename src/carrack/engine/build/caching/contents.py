"""How BuildKit names files: a digest of what they contain and how they look, times left out. Blocks.

A file's is of a head and its bytes; a folder's of its own head and, name by name, the digests of what is in it. The
files of a build's context are root's, whoever sends them. Source: the caches that dockerd 28.5 writes.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence

from carrack.engine.build.caching.graph import digest_of
from carrack.engine.build.caching.operations import wild
from carrack.storage.tarheader import DIRECTORY, HARDLINK, REGULAR, SYMLINK, TarEntry
from carrack.storage.trees.base import Tree, follow, walk
from carrack.storage.trees.picking import Picked

_NOTHING = digest_of(b"")


def selected(groups: Sequence[tuple[str, Tree, list[list[Picked]]]], *, context: bool, filtered: bool = False) -> str:
    """The digest of the files that several paths mean: the path, the tree, and what was picked there, for each.

    ``context``: they are of a build's context, not of an image or a stage; ``filtered``: some of what is there was left
    out, so that each is named by what was taken, as with a pattern."""
    plain = {} if filtered else {path: (tree, things) for path, tree, things in groups if not wild(path)}
    kept = [path for path in plain if not any(path != other and _inside(path, other) for other in plain)]
    digests = [(path, _plain(path, *plain[path], context)) for path in kept]
    digests += [(path, _several(path, tree, things, context)) for path, tree, things in groups if path not in plain]
    return digest_of("\0".join(digest for _, digest in sorted(digests)).encode())


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder if folder.endswith("/") else folder + "/")


def _plain(path: str, tree: Tree, things: list[list[Picked]], context: bool) -> str:
    """Of one path: a file, or a folder with all that is in it."""
    if not things or not things[0]:
        return _NOTHING
    thing = things[0]
    top = thing[0].entry
    if top.kind != DIRECTORY:
        return _entry(tree, top, context)
    head = _NOTHING if context and path == "/" else _entry(tree, top, context)
    return _folder(tree, thing[1:], head, context)


def _folder(tree: Tree, below: Iterable[Picked], head: str, context: bool) -> str:
    """A folder's digest from what is in it, however deep, by relative names."""
    inside: dict[bytes, dict[bytes, TarEntry]] = {b"": {}}
    for each in below:
        above, _, name = each.name.rpartition(b"/")
        inside.setdefault(above, {})[name] = each.entry
        if each.entry.kind == DIRECTORY:
            inside.setdefault(each.name, {})
    done: dict[bytes, str] = {}
    for folder in sorted(inside, key=lambda path: path.count(b"/") + bool(path), reverse=True):
        total = hashlib.sha256()
        total.update(b"\0" + (head if not folder else _heads(inside, folder, tree, context)).encode())
        for name, entry in sorted(inside[folder].items()):
            path = posixpath.join(folder, name)
            digest = done[path] if entry.kind == DIRECTORY else _entry(tree, entry, context)
            total.update(b"\0" + name + digest.encode())
        done[folder] = f"sha256:{total.hexdigest()}"
    return done[b""]


def _heads(inside: dict[bytes, dict[bytes, TarEntry]], folder: bytes, tree: Tree, context: bool) -> str:
    above, _, name = folder.rpartition(b"/")
    return _entry(tree, inside[above][name], context)


def _several(path: str, tree: Tree, things: list[list[Picked]], context: bool) -> str:
    """Of a pattern: all that matched, one after the other, heads of folders and files alike."""
    found: list[tuple[bytes, str]] = []
    for thing in things:
        for each in sorted(thing, key=lambda picked: picked.name.split(b"/")):
            name = posixpath.basename(each.name or thing[0].entry.path)
            found.append((name, _led(tree, each.entry, context)))
    if len(found) == 1 and posixpath.basename(path).encode() == found[0][0]:
        return found[0][1]
    return digest_of(b"\0".join(name + digest.encode() for name, digest in found))


def _led(tree: Tree, entry: TarEntry, context: bool) -> str:
    """Of an entry, or of what it leads to where it is a link."""
    if entry.kind != SYMLINK:
        return _entry(tree, entry, context)
    place = follow(tree, entry.path)
    found = tree.find(place)
    if found is None:
        return _entry(tree, entry, context)
    cut = len(place) + 1 if place else 0
    below = [Picked(each, each.path[cut:]) for each in walk(tree, place)] if found.kind == DIRECTORY else []
    return _plain("", tree, [[Picked(found, b""), *below]], context)


def _entry(tree: Tree, entry: TarEntry, context: bool) -> str:
    uid, gid = (0, 0) if context else (entry.uid, entry.gid)
    kind = REGULAR if entry.kind == HARDLINK else entry.kind
    size = entry.size if kind == REGULAR else 0
    link = entry.link if kind == SYMLINK else b""
    total = hashlib.sha256(
        b"namemode%duid%dgid%dsize%dtypeflag%blinkname%bunamegnamedevmajor%ddevminor%d"
        % (entry.mode & 0o7777, uid, gid, size, kind, link, entry.major, entry.minor)
    )
    for key in sorted(entry.xattrs or {}):
        if _counts(key):
            total.update(key)  # the names alone count there
    if size:
        for piece in tree.data(entry):
            total.update(piece)
    return f"sha256:{total.hexdigest()}"


def _counts(key: bytes) -> bool:
    return key == b"security.capability" or not key.startswith((b"security.", b"system.", b"com.apple."))
