"""What of caches a client asks for: ``--cache-from`` and ``--cache-to``, as types with attributes.

Source: buildx reference, "--cache-from", "--cache-to".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from carrack.errors import InvalidArgument, NotSupported

_FORMS = ("mode", "compression", "compression-level", "force-compression", "oci-mediatypes", "image-manifest",
          "ignore-error")  # fmt: skip
_EXPORTS = {"inline": ("mode",), "registry": ("ref", *_FORMS), "local": ("dest", "tag", *_FORMS)}
_IMPORTS = {"registry": ("ref",), "local": ("src", "digest", "tag")}
_TRUE = {"true": True, "1": True, "false": False, "0": False}
#: how the reading of a cache is told
IMPORTING = "importing cache manifest from "
_COMPRESSIONS = ("gzip", "zstd", "uncompressed")


@dataclass(frozen=True, slots=True)
class CacheAt:
    """Where a cache is or goes: ``kind`` is registry, local or inline."""

    kind: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The reference, or the folder, that people know it by."""
        names = ("ref", "src", "dest")
        return next((self.attributes[name] for name in names if self.attributes.get(name)), self.kind)

    @property
    def whole(self) -> bool:
        """Whether steps of all stages go out, not those of the result alone."""
        return self.attributes.get("mode", "min") == "max"

    def flag(self, name: str, default: bool = False) -> bool:
        """An attribute that is true or false. Raises InvalidArgument."""
        text = self.attributes.get(name, "")
        if text and text.lower() not in _TRUE:
            raise InvalidArgument(f"cache attribute {name}={text}: true or false")
        return _TRUE[text.lower()] if text else default


@dataclass(frozen=True, slots=True)
class Form:
    """How layers travel: ``kind`` is "" for as they are, ``level`` None for the usual; ``force``: those too that have
    travelled before in another form."""

    kind: str = ""
    level: int | None = None
    force: bool = False


def check_export(at: CacheAt) -> CacheAt:
    """The same. Raises NotSupported for a type or an attribute that is not done, InvalidArgument for a bad value."""
    _known(at, _EXPORTS, "--cache-to")
    if at.kind != "inline" and not at.attributes.get("ref" if at.kind == "registry" else "dest"):
        raise InvalidArgument(f"--cache-to type={at.kind} needs {'ref' if at.kind == 'registry' else 'dest'}")
    if at.attributes.get("mode", "min") not in ("min", "max"):
        raise InvalidArgument(f"--cache-to mode={at.attributes['mode']}: min or max")
    for name in ("force-compression", "oci-mediatypes", "image-manifest", "ignore-error"):
        at.flag(name)
    if at.flag("image-manifest") and not at.flag("oci-mediatypes", True):
        raise InvalidArgument("--cache-to image-manifest=true needs oci-mediatypes=true")
    form(at)
    return at


def check_import(at: CacheAt) -> CacheAt:
    """The same. Raises NotSupported for a type or an attribute that is not done."""
    _known(at, _IMPORTS, "--cache-from")
    return at


def form(at: CacheAt) -> Form:
    """How the layers of an export are to travel. Raises NotSupported, InvalidArgument."""
    kind = at.attributes.get("compression", "")
    if kind and kind not in _COMPRESSIONS:
        raise NotSupported(f"--cache-to compression={kind} is not supported: {', '.join(_COMPRESSIONS)} are")
    text = at.attributes.get("compression-level", "")
    if text and not text.isdecimal():
        raise InvalidArgument(f"--cache-to compression-level={text}: a number")
    level = int(text) if text else None
    if level is not None and level > (9 if kind in ("", "gzip") else 22):
        raise InvalidArgument(f"--cache-to compression-level={text}: 0 to 9 for gzip, to 22 for zstd")
    return Form(kind or ("gzip" if level is not None else ""), level, at.flag("force-compression"))


def listed(text: str, what: str) -> list[CacheAt]:
    """A JSON list of places: references, or objects of a Type and its Attrs. Raises InvalidArgument.

    References alone are what the classic API has; the objects are ours."""
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{what}: invalid JSON: {error}") from None
    if not isinstance(found, list):
        raise InvalidArgument(f"{what}: must be a list")
    return [_place(each, what) for each in found]


def _place(value: object, what: str) -> CacheAt:
    if isinstance(value, str):
        return CacheAt("registry", {"ref": value})
    kind, attributes = (value.get("Type"), value.get("Attrs") or {}) if isinstance(value, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(attributes, dict):
        raise InvalidArgument(f"{what}: must hold references, or objects with Type and Attrs")
    if not all(isinstance(each, str) for each in attributes.values()):
        raise InvalidArgument(f"{what}: Attrs must be an object of strings")
    return CacheAt(kind, attributes)


def _known(at: CacheAt, kinds: Mapping[str, tuple[str, ...]], flag: str) -> None:
    if at.kind not in kinds:
        raise NotSupported(f"{flag} type={at.kind} is not supported by Carrack: {', '.join(kinds)} are")
    for name in at.attributes:
        if name not in kinds[at.kind]:
            raise NotSupported(f"{flag} type={at.kind}: the attribute {name} is not supported by Carrack")
