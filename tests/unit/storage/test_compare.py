from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from typing import Any

from tests.suites.tarballs import END, directory, file, header, symlink

from carrack.storage.compare import compare
from carrack.storage.merged import Merged, read_files, read_tree
from carrack.storage.tree import Node

LIBRARY = (
    directory(b"lib/") + file(b"lib/a", b"a" * 10) + file(b"lib/b", b"b" * 20) + header(b"lib/c", b"1", link=b"lib/a")
)


def report(old: bytes, new: bytes, *, full: bool = False, most: int = 100) -> dict[str, Any]:
    files = [io.BytesIO(layer + END) for layer in (old, new)]

    def digests(wanted: Iterable[tuple[int, Node]]) -> dict[int, str]:
        found: dict[int, str] = {}
        for number, node in wanted:
            read_files(
                files[number], [node], lambda n, data: found.update({id(n): hashlib.sha256(b"".join(data)).hexdigest()})
            )
        return found

    first, second = (Merged([read_tree(each)], number) for number, each in enumerate(files))
    return compare(first, second, digests, full=full, most=most)


def changes(old: bytes, new: bytes) -> list[tuple[str, str, list[str]]]:
    return [(each["Path"], each["Kind"], each.get("What", [])) for each in report(old, new)["Changes"]]


def test_what_changed_of_a_file() -> None:
    old = file(b"a", b"1")
    assert changes(old, file(b"a", b"1", mtime=5)) == []
    assert changes(old, file(b"a", b"2")) == [("/a", "changed", ["content"])]
    assert changes(old, file(b"a", b"22")) == [("/a", "changed", ["content"])]
    assert changes(old, file(b"a", b"1", mode=0o600)) == [("/a", "changed", ["mode"])]
    assert changes(old, file(b"a", b"1", uid=3)) == [("/a", "changed", ["owner"])]
    assert changes(old, symlink(b"a", b"b"))[0][2][0] == "type"
    assert changes(symlink(b"a", b"b"), symlink(b"a", b"c")) == [("/a", "changed", ["target"])]
    assert changes(header(b"n", b"3", device=(1, 2)), header(b"n", b"3", device=(1, 3))) == [
        ("/n", "changed", ["device"])
    ]
    assert changes(directory(b"d/"), directory(b"d/", mode=0o700)) == [("/d", "changed", ["mode"])]


def test_a_directory_that_came_is_one_line_unless_all_is_wanted() -> None:
    found = report(file(b"x"), file(b"x") + LIBRARY)
    assert found["Changes"] == [{"Path": "/lib/", "Kind": "added", "Size": 30, "Files": 3}]
    assert found["Added"] == {"Files": 3, "Bytes": 30}
    found = report(file(b"x") + LIBRARY, file(b"x"), full=True)
    assert [each["Path"] for each in found["Changes"]] == ["/lib/", "/lib/a", "/lib/b", "/lib/c"]
    assert found["Removed"] == {"Files": 3, "Bytes": 30}
    assert found["Truncated"] is False


def test_a_directory_in_the_place_of_a_file() -> None:
    assert changes(file(b"lib", b"1"), LIBRARY) == [("/lib", "removed", []), ("/lib/", "added", [])]


def test_sums_and_limit() -> None:
    found = report(file(b"a", b"1") + file(b"b", b"22"), file(b"b", b"333") + symlink(b"c", b"b"), most=2)
    assert (found["Added"], found["Removed"], found["Changed"]) == (
        {"Files": 1, "Bytes": 0},
        {"Files": 1, "Bytes": 1},
        {"Files": 1, "Bytes": 3},
    )
    assert found["Truncated"] is True
    assert [each["Path"] for each in found["Changes"]] == ["/a", "/b"]
    assert found["Changes"][1]["Before"] == 2


def test_the_same_layer_is_not_read() -> None:
    tree = read_tree(io.BytesIO(LIBRARY + END))
    found = compare(
        Merged([tree]), Merged([tree], 1), lambda wanted: {id(node): "" for _, node in wanted}, full=True, most=9
    )
    assert found["Changes"] == []
