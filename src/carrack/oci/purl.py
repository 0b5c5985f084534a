"""Package URLs: the names by which documents about software call images and packages.

Source: the package-url specification (ECMA-427); images are called as BuildKit calls them.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from carrack.oci.platform import Platform
from carrack.oci.reference import Reference


def image(name: Reference, platform: Platform | None = None) -> str:
    """``pkg:docker/busybox@latest?platform=linux%2Famd64``; a digest of the name is a qualifier."""
    qualifiers = {"digest": name.digest} if name.digest else {}
    if platform is not None:
        qualifiers["platform"] = str(platform)
    named = name.with_default_tag()
    namespace, _, last = named.only().familiar.rpartition("/")
    return package("docker", last, named.tag, namespace, qualifiers)


def package(
    kind: str, name: str, version: str = "", namespace: str = "", qualifiers: Mapping[str, str] | None = None
) -> str:
    """A package of a manager; empty qualifiers are left out, the others stand in the order of their names."""
    path = [_part(each) for each in namespace.split("/") if each]
    text = "/".join((f"pkg:{kind}", *path, _part(name)))
    if version:
        text += f"@{_part(version)}"
    said = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted((qualifiers or {}).items()) if value)
    return f"{text}?{said}" if said else text


def _part(text: str) -> str:
    return quote(text, safe=":~+")
