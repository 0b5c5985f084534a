"""Which rows of the build cache are meant: by the filters of Docker's API, and by BuildKit's. Pure.

Docker's are a name with values, BuildKit's words such as ``type==regular``, ``id~=ab``, ``inuse``, several of them with
commas. Different names must all fit; of one name with several values one is enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from carrack.engine.images.filters import moment
from carrack.errors import InvalidArgument

if TYPE_CHECKING:
    from carrack.engine.build.prune import Row

Test = Callable[["Row"], bool]
_WORD = re.compile(r"(label!(?==)|[a-z-]+)(?:(==|=|~=|!=)(.*))?", re.DOTALL)
_AGES = ("until", "unused-for")
_TEXTS: dict[str, Callable[[Row], Sequence[str]]] = {
    "id": lambda row: (row.id,),
    "parent": lambda row: row.parents,
    "parents": lambda row: row.parents,
    "type": lambda row: (row.kind,),
    "description": lambda row: (row.description,),
}
_FLAGS: dict[str, Test] = {
    "inuse": lambda row: row.in_use,
    "shared": lambda row: row.shared,
    "private": lambda row: not row.shared,
    "mutable": lambda row: row.mutable,
    "immutable": lambda row: not row.mutable,
}
_LABELS = ("label", "label!")  # nothing here has any
_OF_API = (*_AGES, "id", "parent", "type", "description", "inuse", "shared", "private", *_LABELS)
_PARTS = ("id", "parent")  # those of which a part is enough in Docker's API


def of_request(filters: Mapping[str, Sequence[str]], now: int) -> Test:
    """The rows that filters of the API mean; ``now`` in nanoseconds since 1970. Raises InvalidArgument."""
    for key, values in filters.items():
        if key not in _OF_API:
            raise InvalidArgument(f"failed to prune build cache: invalid filter '{key}'")
        if len(values) > 1 and key not in _LABELS:
            raise InvalidArgument("failed to prune build cache: filters expect only one value")
    if filters.get("until") and filters.get("unused-for"):
        raise InvalidArgument('failed to prune build cache: conflicting filters: "until" and "unused-for"')
    return _all(
        [
            _test(key, "~=" if key in _PARTS else "==", values, now)
            for key, values in filters.items()
            if values or key in _FLAGS
        ]
    )


def of_words(words: Iterable[str], now: int) -> Test:
    """The rows that BuildKit's words mean. Raises InvalidArgument."""
    found: dict[tuple[str, str], list[str]] = {}
    for word in filter(None, ",".join(words).split(",")):
        match = _WORD.fullmatch(word)
        key, sign, value = match.groups() if match is not None else ("", "", "")
        if not key or (key not in _FLAGS and sign is None) or key not in {*_AGES, *_TEXTS, *_FLAGS, *_LABELS}:
            raise InvalidArgument(f"invalid filter '{word}'")
        found.setdefault((key, "==" if sign in ("=", None) else sign), []).extend([] if value is None else [value])
    return _all([_test(key, sign, values, now) for (key, sign), values in found.items()])


def _test(key: str, sign: str, values: Sequence[str], now: int) -> Test:
    if key in _AGES:
        return _unused_since(key, values, now)
    if key in _FLAGS:
        wanted = not any(value in ("false", "0") for value in values)
        return lambda row: _FLAGS[key](row) is (wanted is (sign != "!="))
    if key in _LABELS:
        return lambda row: key == "label!"
    of = _TEXTS[key]
    if sign == "~=":
        return lambda row: any(value in text for text in of(row) for value in values)
    return lambda row: any(text in values for text in of(row)) is (sign != "!=")


def _unused_since(key: str, values: Sequence[str], now: int) -> Test:
    try:
        limit = min(moment(value, now) for value in values)
    except InvalidArgument as error:
        told = f"\"{key}\" filter expects a duration (e.g., '24h') or a timestamp: {error}"
        raise InvalidArgument(f"failed to prune build cache: {told}") from None
    return lambda row: row.last_used <= limit


def _all(tests: Sequence[Test]) -> Test:
    return lambda row: all(test(row) for test in tests)
