from __future__ import annotations

import pytest

from carrack.errors import InvalidArgument, Unavailable
from carrack.oci import media_types as types
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index
from carrack.registry import paging
from carrack.registry.head import Headers


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", ""),
        ('</v2/a/tags/list?last=x&n=2>; rel="next"', "https://r:1/v2/a/tags/list?last=x&n=2"),
        ("</v2/a>; rel=next", "https://r:1/v2/a"),
        ('</v2/a>; rel="prev"', ""),
        ('<https://r:1/v2/b>; rel="next"', "https://r:1/v2/b"),
        ("<" * 9000, ""),
    ],
)
def test_the_next_page(link: str, expected: str) -> None:
    assert paging.following("https://r:1/v2/a/tags/list", Headers([("Link", link)])) == expected


def test_a_list_that_goes_on_elsewhere_is_not_followed() -> None:
    with pytest.raises(Unavailable, match="not asked"):
        paging.following("https://r:1/v2/", Headers([("Link", '<https://evil.example.com/>; rel="next"')]))


def test_tags() -> None:
    assert paging.tags(b'{"name": "a", "tags": ["1", "../x", "b.c-d"]}', "tags") == ["1", "b.c-d"]
    assert paging.tags(b'{"tags": null}', "tags") == []
    for bad in (b"[]", b'{"tags": [1]}', b"no"):
        with pytest.raises(InvalidArgument):
            paging.tags(bad, "tags")


def test_referrers_of_one_type() -> None:
    entries = tuple(
        Descriptor(types.OCI_MANIFEST, f"sha256:{c * 64}", 1, artifact_type=kind)
        for c, kind in (("a", "x/y"), ("b", "x/z"))
    )
    index = Index(types.OCI_INDEX, entries)
    assert paging.of_type(index, "") == index
    assert paging.of_type(index, "x/z").manifests == entries[1:]
