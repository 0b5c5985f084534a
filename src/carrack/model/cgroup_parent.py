"""Where users say that cgroups shall go: a path, or the name of one of systemd's slices.

A slice's name says where it lies: ``foo-bar.slice`` is in ``foo.slice`` (systemd.slice(5)). Such a name is taken for
that place, which is where systemd has it, or would.
"""

from __future__ import annotations

import posixpath
import re

from carrack.errors import InvalidArgument

_SUFFIX = ".slice"
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+")
_LONGEST = 255


def path(text: str) -> str:
    """The cgroup that is meant, absolute and clean; "" for none, "/" for the top. Raises InvalidArgument."""
    if not text:
        return ""
    if text.endswith(_SUFFIX) and "/" not in text:
        return _slice(text)
    clean = posixpath.normpath("/" + text.lstrip("/"))
    if "\0" in clean or "\n" in clean or any(len(part.encode()) > _LONGEST for part in clean.split("/")):
        raise InvalidArgument(f"invalid cgroup parent: {text!r}")
    return clean


def _slice(name: str) -> str:
    words = name.removesuffix(_SUFFIX)
    if words == "-":
        return "/"
    parts = words.split("-")
    if not all(parts) or not _NAME.fullmatch(words):
        raise InvalidArgument(f"invalid slice name: {name}")
    slices = ["-".join(parts[:count]) + _SUFFIX for count in range(1, len(parts) + 1)]
    if any(len(each) > _LONGEST for each in slices):
        raise InvalidArgument(f"invalid slice name: {name}")
    return "/" + "/".join(slices)
