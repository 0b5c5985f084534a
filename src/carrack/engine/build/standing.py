"""Named contexts (``--build-context name=…``) that stand for a stage, or for the image that a stage begins with. Pure.

They are looked for by the names that people know images by: ``alpine::linux/arm64`` before ``alpine``, which
``FROM alpine:latest`` means too. Source: Docker build documentation, "Additional build contexts"; dockerd 28.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from carrack.dockerfile import commands as c
from carrack.dockerfile.file import parse_trigger
from carrack.errors import InvalidArgument
from carrack.oci import reference

_LATEST = ":latest"

#: by the context's name, what to begin with instead: an image's name, or "" for files
Standing = Mapping[str, str]


def key(name: str, platform: str, contexts: Mapping[str, object]) -> str:
    """The name of the context that stands for ``name``; "" for none."""
    if not contexts or not name:
        return ""
    try:
        short = reference.parse(name).familiar.removesuffix(_LATEST)
    except InvalidArgument:
        short = name
    return next((each for each in (f"{short}::{platform}", short, name) if each in contexts), "")


def all_of(context: str, base: c.From) -> c.Command:
    """The command that makes a context's files those of a stage that began with nothing."""
    copy = parse_trigger("COPY . /")
    assert isinstance(copy, c.Copy)
    return replace(copy, origin=context, place=base.place, text=f"COPY --from={context} . /")
