"""Lists that come in pages: tags; and picking referrers by type. Pure.

Source: OCI distribution specification 1.1, "Listing Tags" (`Link: <…>; rel="next"`) and "Listing Referrers".
"""

from __future__ import annotations

import re
from dataclasses import replace

from carrack.oci import document
from carrack.oci.manifest import Index
from carrack.registry import origin
from carrack.registry.failures import Untrue
from carrack.registry.head import Headers

PAGE_LIMIT = 8 * 1024 * 1024
PAGES_LIMIT = 5_000
TAGS_LIMIT = 250_000
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_NEXT = re.compile(r"<([^<>]{1,8192})>\s*;[^,<]*\brel=\"?next\"?")


def tags(data: bytes, what: str) -> list[str]:
    """The tags of one page, those that are none left out. Raises InvalidArgument for what is no such document."""
    listed = document.texts(document.parse(data, limit=PAGE_LIMIT, what=what), "tags", what)
    return [tag for tag in listed or [] if TAG.fullmatch(tag)]


def following(here: str, headers: Headers) -> str:
    """The absolute URL of the page after that at `here`, "" at the last one.

    Raises Untrue when it is on another server.
    """
    match = _NEXT.search(headers.get("link"))
    if match is None:
        return ""
    url = origin.join(here, match[1])
    asked, there = origin.split(here)[0], origin.split(url, "next page")[0]
    if asked != there:
        raise Untrue(f"{asked} says that its list goes on at {there}, which is not asked")
    return url


def of_type(index: Index, artifact_type: str) -> Index:
    """The entries of one artifact type: registries need not filter themselves."""
    if not artifact_type:
        return index
    return replace(index, manifests=tuple(entry for entry in index.manifests if entry.artifact_type == artifact_type))
