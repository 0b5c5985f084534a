from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from typing import Any

from tests.suites.tarballs import END, directory, file, header

from carrack.storage.explain import explain, text
from carrack.storage.merged import read_files, read_tree
from carrack.storage.tree import Node


def report(*layers: bytes, most: int = 100) -> dict[str, Any]:
    files = [io.BytesIO(layer + END) for layer in layers]

    def digests(wanted: Iterable[tuple[int, Node]]) -> dict[int, str]:
        found: dict[int, str] = {}
        for number, node in wanted:
            read_files(
                files[number], [node], lambda n, data: found.update({id(n): hashlib.sha256(b"".join(data)).hexdigest()})
            )
        return found

    return explain([read_tree(each) for each in files], digests, most)


def test_waste_by_layer_and_by_file() -> None:
    base = file(b"same", b"s" * 900) + file(b"changed", b"c" * 800) + file(b"gone", b"g" * 700) + file(b"kept", b"k")
    top = file(b"same", b"s" * 900, uid=7) + file(b"changed", b"C" * 800) + file(b".wh.gone")
    found = report(base, top)
    assert [(row["Files"], row["Bytes"], row["Hidden"], row["Hides"]) for row in found["Layers"]] == [
        (4, 2401, 2400, 0),
        (2, 1700, 0, 2400),
    ]
    assert (found["Bytes"], found["Hidden"]) == (4101, 2400)
    assert [(each["Path"], each["Size"], each["Layer"], each["By"], each["Kind"]) for each in found["Waste"]] == [
        ("/same", 900, 0, 1, "unchanged"),
        ("/changed", 800, 0, 1, "overwritten"),
        ("/gone", 700, 0, 1, "deleted"),
    ]


def test_a_file_with_another_name_is_no_waste() -> None:
    found = report(file(b"a", b"x" * 50) + header(b"b", b"1", link=b"a"), file(b".wh.a"))
    assert (found["Hidden"], found["Waste"]) == (0, [])
    found = report(file(b"a", b"x" * 50) + header(b"b", b"1", link=b"a"), file(b".wh.a") + file(b".wh.b"))
    assert found["Hidden"] == 50
    assert len(found["Waste"]) == 1


def test_equal_files() -> None:
    twice = directory(b"d/") + file(b"d/1", b"x" * 40) + file(b"other", b"y" * 40) + header(b"l", b"1", link=b"d/1")
    found = report(twice, file(b"2", b"x" * 40) + file(b"empty") + file(b"empty too"))
    assert found["Duplicate"] == 40
    assert [(each["Size"], each["Wasted"], each["Paths"]) for each in found["Duplicates"]] == [
        (40, 40, ["/2", "/d/1", "/l"])
    ]


def test_only_the_largest_are_told() -> None:
    files = [b"%02d" % number for number in range(30)]
    base = b"".join(file(name, bytes([number + 1]) * (number + 1)) for number, name in enumerate(files))
    found = report(base, b"".join(file(b".wh." + name) for name in files), most=3)
    assert [each["Size"] for each in found["Waste"]] == [30, 29, 28]
    assert found["Hidden"] == 465


def test_a_name_that_is_no_text() -> None:
    assert text(b"a/\xff") == "/a/\\xff"
