from __future__ import annotations

import gzip
import io
from collections.abc import Iterator

import pytest
from tests.suites.tarballs import END, directory, file, header, symlink

from carrack.storage.merged import DELETED, OVERWRITTEN, Merged, read_files, read_tree
from carrack.storage.tar import TarError
from carrack.storage.tree import Node

BASE = directory(b"d/") + file(b"d/a", b"aaa") + file(b"d/b", b"bb") + file(b"f", b"base") + END


def merged(*layers: bytes) -> Merged:
    return Merged([read_tree(io.BytesIO(layer)) for layer in layers])


def paths(found: Merged) -> dict[bytes, int]:
    return {path: seen.layer for path, seen in found.walk()}


def hidden(found: Merged) -> set[tuple[bytes, int, int, str]]:
    return {(each.path, each.layer, each.by, each.kind) for each in found.hidden}


def test_what_is_seen_and_from_where() -> None:
    found = merged(BASE, file(b"f", b"new") + file(b"d/c", b"c") + END)
    assert paths(found) == {b"d": 0, b"d/a": 0, b"d/b": 0, b"d/c": 1, b"f": 1}
    assert hidden(found) == {(b"f", 0, 1, OVERWRITTEN)}
    seen = found.find(b"d/c")
    assert seen is not None
    assert seen.node.size == 1
    assert found.find(b"d/none") is None
    assert found.find(b"f/below") is None


def test_deleted_names_and_opaque_directories() -> None:
    found = merged(BASE, file(b".wh.f") + file(b"d/.wh..wh..opq") + file(b"d/b", b"22") + END)
    assert paths(found) == {b"d": 0, b"d/b": 1}
    assert hidden(found) == {(b"f", 0, 1, DELETED), (b"d/a", 0, 1, DELETED), (b"d/b", 0, 1, OVERWRITTEN)}


def test_a_directory_gone_hides_all_in_it() -> None:
    for layer in (file(b".wh.d") + END, symlink(b"d", b"f") + END):
        found = merged(BASE, layer)
        assert b"d/a" not in paths(found)
        assert hidden(found) == {(b"d/a", 0, 1, DELETED), (b"d/b", 0, 1, DELETED)}


def test_layers_count_from_where_one_says() -> None:
    tree = read_tree(io.BytesIO(BASE))
    assert {seen.layer for _, seen in Merged([tree], 7).walk()} == {7}
    assert list(Merged([]).walk()) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_data_of_single_files(pack: object) -> None:
    big = bytes(range(256)) * 3000
    archive = file(b"one", b"1") + file(b"big", big) + file(b"passed over", b"x" * 5000) + file(b"two", b"22") + END
    layer = io.BytesIO(pack(archive))  # type: ignore[operator]
    children = read_tree(layer).root.children or {}
    found: list[bytes] = []

    def take(node: Node, pieces: Iterator[bytes]) -> None:
        found.append(b"".join(pieces))

    read_files(layer, [children[b"two"], children[b"big"], children[b"big"]], take)
    assert found == [big, b"22"]


def test_a_damaged_layer() -> None:
    with pytest.raises(TarError):
        read_tree(io.BytesIO(BASE[:1200]))
    short = file(b"a", b"x" * 2000)
    tree = read_tree(io.BytesIO(short + END))
    with pytest.raises(TarError, match="early"):
        read_files(io.BytesIO(short[:600]), list((tree.root.children or {}).values()), lambda _, data: [*data].clear())
    with pytest.raises(TarError):
        read_tree(io.BytesIO(header(b"link", b"1", link=b"nowhere") + END))
