"""The process that looks into layers: ``python -m carrack.storage.looker REQUEST``, started by carrack.storage.looks.

Layers are foreign bytes and may be large: they are read here and not in the daemon, whose interpreter lock stays free.
REQUEST is a JSON object (see ``LookRequest``); one JSON object comes back on standard output: the report, or
``{"error": kind, "message": text, "errno": number or null}``. Nothing is written anywhere.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict

from carrack import errors
from carrack.errors import NotFound
from carrack.storage import packages
from carrack.storage.compare import compare
from carrack.storage.content import ContentStore
from carrack.storage.explain import explain
from carrack.storage.merged import Merged, Seen, read_files, read_tree
from carrack.storage.snapshots.probe import layer_store
from carrack.storage.worker import confine, describe

if TYPE_CHECKING:
    from carrack.storage.tree import Node, Tree


class LookRequest(TypedDict):
    """``driver`` and ``root`` as for ``layer_store``, ``content`` the root of the content store. ``images``: one to
    explain, or two to compare, as their layers, the base first: (diff id, digest of the kept blob or "")."""

    driver: str
    root: str
    content: str
    images: list[list[tuple[str, str]]]
    full: bool
    most: int
    parent: int


def main(arguments: Sequence[str]) -> int:
    """Serve the one request."""
    request: LookRequest = json.loads(arguments[0])
    try:
        confine(request["parent"])
        answer = _report(request)
    except (errors.CarrackError, OSError, MemoryError) as error:
        answer = describe(error)
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    return 1 if "error" in answer else 0


class Layers:
    """The layers of the request, each read once, by the numbers they have when all images' are counted through."""

    def __init__(self, request: LookRequest) -> None:
        self._files = layer_store(request["driver"], Path(request["root"]))
        self._content = ContentStore(request["content"])
        self._named = [layer for image in request["images"] for layer in image]
        self._trees: dict[str, Tree] = {}

    def tree(self, number: int) -> Tree:
        """The files of a layer; the same object wherever the layer is the same."""
        diff_id = self._named[number][0]
        if diff_id not in self._trees:
            with self._open(number) as file:
                self._trees[diff_id] = read_tree(file)
        return self._trees[diff_id]

    def digests(self, wanted: Iterable[tuple[int, Node]]) -> dict[int, str]:
        """The digests of files by their inodes' id(), every layer read once."""
        found: dict[int, str] = {}

        def take(node: Node, pieces: Iterator[bytes]) -> None:
            digest = hashlib.sha256()
            for piece in pieces:
                digest.update(piece)
            found[id(node)] = f"sha256:{digest.hexdigest()}"

        by_layer: dict[int, list[Node]] = defaultdict(list)
        for number, node in wanted:
            by_layer[number].append(node)
        for number, nodes in by_layer.items():
            with self._open(number) as file:
                read_files(file, nodes, take)
        return found

    def data(self, number: int, node: Node) -> bytes:
        """The whole of one small file."""
        pieces: list[bytes] = []
        with self._open(number) as file:
            read_files(file, [node], lambda _, data: pieces.extend(data))
        return b"".join(pieces)

    def _open(self, number: int) -> BinaryIO:
        diff_id, blob = self._named[number]
        tar = self._files.open_tar(diff_id)
        if tar is not None:
            return tar
        if not blob or not self._content.has(blob):
            raise NotFound(f"layer {diff_id}: its bytes were not kept, so it cannot be looked into")
        return self._content.open(blob)


def _report(request: LookRequest) -> dict[str, Any]:
    layers, images = Layers(request), request["images"]
    trees = [layers.tree(number) for number in range(sum(map(len, images)))]
    if len(images) == 1:
        return explain(trees, layers.digests, request["most"])
    first = len(images[0])
    old, new = Merged(trees[:first]), Merged(trees[first:], first)
    report = compare(old, new, layers.digests, full=request["full"], most=request["most"])

    def read(seen: Seen) -> bytes:
        return layers.data(seen.layer, seen.node)

    before, after = packages.packages(old, read), packages.packages(new, read)
    report["Packages"] = [
        {"Manager": key[0], "Name": key[1], "Before": before.get(key, ""), "After": after.get(key, "")}
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    report["Unread"] = sorted({*packages.unread(old), *packages.unread(new)})
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
