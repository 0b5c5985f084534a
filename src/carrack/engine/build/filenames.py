"""What files are called that come by HTTP. Pure.

BuildKit's ADD goes by the address alone. Docker's classic builder asks the server for what has no name there; BuildKit
takes the server's word before the address's where the file is a named context. Sources: BuildKit,
frontend/dockerfile/dockerfile2llb/convert.go and source/http/source.go; moby, builder/dockerfile/copy.go; and a dockerd
28.5 that was asked.
"""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote, urlsplit

from carrack.errors import InvalidArgument

_UNNAMED = "__unnamed__"
_UNSAFE = "download"  # as BuildKit calls what has no name that a file could have
_LONGEST = 255


def of_address(url: str) -> bytes:
    """What ADD calls it: the last word of the path. Raises InvalidArgument, as the others do."""
    return _safe(_last(_path(url)) or _UNNAMED, url)


def of_context(url: str, headers: Any) -> bytes:
    """What it is called in a named context: as the server says, or else as its address does."""
    return _safe(_given(headers) or _last(_path(url)), url)


def of_classic(url: str, headers: Any, into: bool) -> bytes:
    """What ADD calls it in classic builds; without a name it can be had only as a file that the destination names, and
    not ``into`` a folder."""
    path = _path(url)
    name = posixpath.basename(path) or _given(headers)
    if not name and into:
        raise InvalidArgument(f"ADD failed: cannot determine filename for source {url}")
    return _safe(name, url)


def _path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path, errors="surrogateescape")
    except ValueError as error:
        raise InvalidArgument(f"{url}: {error}") from None


def _last(path: str) -> str:
    name = posixpath.basename(path.rstrip("/"))
    return "" if name == "." else name


def _given(headers: Any) -> str:
    """By Content-Disposition, "" where it has none."""
    try:
        name = headers.get_filename() or ""
    except (TypeError, ValueError):  # what the library has for parameters that it cannot put together
        return ""
    return posixpath.basename(name.encode(errors="replace").decode())


def _safe(name: str, url: str) -> bytes:
    name = name.strip()
    if name in ("", ".", "..") or any(each < " " or "\x7f" <= each < "\xa0" for each in name):
        name = _UNSAFE
    found = name.encode(errors="surrogateescape")
    if len(found) > _LONGEST:
        raise InvalidArgument(f"{url}: the name of its file is longer than {_LONGEST} bytes")
    return found
