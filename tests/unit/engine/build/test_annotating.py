"""Annotations in the words of exporters, and of people."""

from __future__ import annotations

import pytest

from carrack.engine.build import annotating
from carrack.errors import InvalidArgument
from carrack.oci import platform as platforms

AMD, ARM = platforms.parse("linux/amd64"), platforms.parse("linux/arm64")


def test_what_goes_where() -> None:
    made = annotating.read(
        {
            "name": "app", "annotation.all": "1", "annotation-manifest.all": "2", "annotation[linux/arm64].arm": "3",
            "annotation-manifest[linux/arm64].all": "4", "annotation-index.i": "5",
            "annotation-manifest-descriptor.d": "6", "annotation-manifest-descriptor[linux/arm64].e": "7",
            "annotation-index-descriptor.x.y": "8",
        }
    )  # fmt: skip
    assert made.on_manifest(AMD) == {"all": "2"}
    assert made.on_manifest(ARM) == {"all": "4", "arm": "3"}
    assert (made.on_descriptor(AMD), made.on_descriptor(ARM)) == ({"d": "6"}, {"d": "6", "e": "7"})
    assert (made.index, made.index_descriptor) == ({"i": "5"}, {"x.y": "8"})
    assert made.of_index
    assert made


def test_none() -> None:
    made = annotating.read({"name": "app", "push": "true"})
    assert not made
    assert not annotating.read({"annotation.a": "b"}).of_index
    assert [annotating.is_one(each) for each in ("annotation.a", "annotation-x.a", "annotated", "name")] == [
        True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("attribute", ["annotation-what.a", "annotation-index[linux/arm64].a", "annotation[x/y/z/w].a"])
def test_refused(attribute: str) -> None:
    with pytest.raises(InvalidArgument):
        annotating.read({attribute: "b"})


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a=b", {"annotation-manifest.a": "b"}),
        ("org.x:y=b=c", {"annotation-manifest.org.x:y": "b=c"}),
        ("index:a=b", {"annotation-index.a": "b"}),
        ("index,manifest[linux/arm64]:a=", {"annotation-index.a": "", "annotation-manifest[linux/arm64].a": ""}),
        ("manifest-descriptor:a=b:c", {"annotation-manifest-descriptor.a": "b:c"}),
    ],
)
def test_typed(typed: str, expected: dict[str, str]) -> None:
    assert annotating.attributes(typed) == expected


@pytest.mark.parametrize("typed", ["", "a", "index:a", "=b", "index:=b"])
def test_typed_wrongly(typed: str) -> None:
    with pytest.raises(InvalidArgument, match="expected"):
        annotating.attributes(typed)
