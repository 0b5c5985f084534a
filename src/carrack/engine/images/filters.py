"""Filters of image lists and prunes: Docker's words to a test on images."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Awaitable, Callable, Collection, Mapping

from carrack.engine.images.image import Image
from carrack.engine.images.variants import has_name, has_tag
from carrack.errors import InvalidArgument
from carrack.model import labels, times
from carrack.oci.reference import Reference

Filters = Mapping[str, list[str]]
Test = Callable[[Image], bool]
Resolve = Callable[[str], Awaitable[Image]]

LIST = frozenset({"before", "dangling", "label", "reference", "since", "until"})
PRUNE = frozenset({"dangling", "label", "label!", "until"})

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|m|s|ms|us|µs|ns))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}


async def tests(filters: Filters, accepted: frozenset[str], resolve: Resolve, named: Collection[str]) -> list[Test]:
    """The tests an image must all pass. `resolve` finds the images that `before` and `since` name; `named` are the
    indexes that names lead to.

    Raises InvalidArgument for a filter that is not `accepted` or has a bad value, NotFound from `resolve`.
    """
    made: list[Test] = []
    for key, values in filters.items():
        if key not in accepted:
            raise InvalidArgument(f"invalid filter '{key}'")
        if not values:
            continue
        if key in ("before", "since"):
            made.extend([_by_age(key, (await resolve(value)).created) for value in values])
        elif key == "dangling":
            made.append(_dangling(values, named))
        else:
            made.append(_SIMPLE[key](values))
    return made


def flag(filters: Filters, key: str, default: bool) -> bool:
    """A filter that is a boolean. Raises InvalidArgument("invalid filter 'key=[x]'") on another value."""
    values = filters.get(key)
    if not values:
        return default
    if len(values) == 1 and values[0] in _TRUE | _FALSE:
        return values[0] in _TRUE
    raise InvalidArgument(f"invalid filter '{key}=[{' '.join(values)}]'")


def moment(text: str, now: int) -> int:
    """Nanoseconds since 1970 of a timestamp, a date, or a duration (`10m`, `1h30m`) before `now`."""
    try:
        if _DURATION.fullmatch(text):
            parts = _DURATION_PART.findall(text)
            return now - sum(int(float(number) * _UNITS[unit]) for number, unit in parts)
        return times.parse(text)
    except (InvalidArgument, ValueError, OverflowError):
        raise InvalidArgument(f'failed to parse value as time or duration: "{text}"') from None


def _by_age(key: str, when: int) -> Test:
    if key == "before":
        return lambda image: image.created < when
    return lambda image: image.created > when


def _dangling(values: list[str], named: Collection[str]) -> Test:
    wanted = flag({"dangling": values}, "dangling", False)
    if wanted:
        return lambda image: not has_tag(image, named)
    return lambda image: has_name(image, named)


def _until(values: list[str]) -> Test:
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    limit = moment(values[0], times.now())
    return lambda image: image.created < limit


def _label(values: list[str]) -> Test:
    return lambda image: all(labels.matches(image.labels, value) for value in values)


def _no_label(values: list[str]) -> Test:
    return lambda image: not any(labels.matches(image.labels, value) for value in values)


def _reference(values: list[str]) -> Test:
    for pattern in values:
        if pattern.count("[") > pattern.count("]"):
            raise InvalidArgument("syntax error in pattern")
    return lambda image: any(matches(pattern, name) for pattern in values for name in image.references)


def matches(pattern: str, name: Reference) -> bool:
    """Docker's reference patterns: shell wildcards that stop at slashes, against the name with and without its tag."""
    candidates = {name.familiar, name.familiar_name, str(name), name.name}
    return any(_path_match(pattern, candidate) for candidate in candidates)


def _path_match(pattern: str, text: str) -> bool:
    patterns, parts = pattern.split("/"), text.split("/")
    return len(patterns) == len(parts) and all(map(fnmatch.fnmatchcase, parts, patterns))


_SIMPLE: dict[str, Callable[[list[str]], Test]] = {
    "label": _label,
    "label!": _no_label,
    "reference": _reference,
    "until": _until,
}
