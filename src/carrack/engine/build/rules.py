"""The rules by which the build cache is kept small without being asked: dockerd's ``builder.gc``. Pure.

They are done in their order, each as a prune with its limits. Where none are given, Docker's are made of the size of
the disk: what is cheapest to make again goes after two days, anything after 60, and then what is beyond the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from carrack.engine.build import sieve
from carrack.engine.build.limits import Limits
from carrack.errors import InvalidArgument
from carrack.model import units

if TYPE_CHECKING:
    from carrack.engine.build.sieve import Test

T = TypeVar("T")
_GIGABYTE = 1_000_000_000
_HOUR = 3600 * units.NANOSECONDS
_PERCENT = (10, 80, 20)  # of the disk: what is always left, the most that is used, the least that stays free
_CHEAP = 0.138  # of what is always left: what of the cheap kinds stays when it is old
_CHEAP_KINDS = ("type==source.local", "type==exec.cachemount", "type==source.git.checkout")
_SIZES = (("reservedSpace", "keepStorage"), ("maxUsedSpace",), ("minFreeSpace",))
_DEFAULTS = (("defaultReservedSpace", "defaultKeepStorage"), ("defaultMaxUsedSpace",), ("defaultMinFreeSpace",))


@dataclass(frozen=True, slots=True)
class Rule:
    """One of them: what ``words`` mean (see sieve) and has been unused for some nanoseconds, within limits."""

    limits: Limits
    unused_for: int = 0
    words: tuple[str, ...] = ()

    def test(self, now: int) -> Test:
        """The rows that it is about."""
        meant = sieve.of_words(self.words, now)
        return lambda row: meant(row) and row.last_used <= now - self.unused_for


@dataclass(frozen=True, slots=True)
class Rules:
    """All of them. ``given`` is None where Docker's own hold; ``sizes`` are what those have, and rules that say
    nothing: always left, most, least free; all 0 where they come of the disk's."""

    enabled: bool = True
    given: tuple[Rule, ...] | None = None
    sizes: tuple[int, int, int] = (0, 0, 0)

    def on(self, total: int) -> tuple[Rule, ...]:
        """The rules for a disk of so many bytes."""
        if not self.enabled:
            return ()
        if self.given is not None:
            return self.given
        sizes = self.sizes
        if not any(sizes):
            reserved, most, free = (_share(total, percent) for percent in _PERCENT)
            sizes = reserved, most, free
        cheap = Limits(most=int((sizes[0] or sizes[1]) * _CHEAP))
        usual = Limits(False, *sizes)
        return (
            Rule(cheap, 48 * _HOUR, _CHEAP_KINDS),
            Rule(usual, 1440 * _HOUR),
            Rule(usual),
            Rule(Limits(True, *sizes)),
        )


USUAL = Rules()
NONE = Rules(enabled=False)


def parse(document: Any) -> Rules:
    """The rules of ``builder.gc`` in the daemon's configuration. Raises InvalidArgument."""
    given = _object(document, "", {"enabled", "policy", *(name for names in _DEFAULTS for name in names)})
    enabled, policy = given.get("enabled", True), given.get("policy")
    if not isinstance(enabled, bool):
        raise InvalidArgument("builder.gc.enabled is true or false")
    if not isinstance(policy, list | None):
        raise InvalidArgument("builder.gc.policy is a list of rules")
    sizes = _sizes(given, _DEFAULTS, "", (0, 0, 0))
    rules = None if policy is None else tuple(_rule(each, f".policy[{n}]", sizes) for n, each in enumerate(policy))
    return Rules(enabled, rules, sizes)


def _rule(document: Any, place: str, usual: tuple[int, int, int]) -> Rule:
    names = {name for some in _SIZES for name in some}
    given = _object(document, place, {"all", "filter", "keepDuration", *names})
    every, words = given.get("all", False), given.get("filter", [])
    if not isinstance(every, bool):
        raise InvalidArgument(f"builder.gc{place}.all is true or false")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidArgument(f"builder.gc{place}.filter is a list of texts")
    _named(place, "filter", lambda: sieve.of_words(words, 0))
    kept = given.get("keepDuration", "0s")
    unused_for = _named(place, "keepDuration", lambda: units.parse_duration(kept))
    return Rule(Limits(every, *_sizes(given, _SIZES, place, usual)), unused_for, tuple(words))


def _sizes(
    given: Mapping[str, Any], names: Sequence[tuple[str, ...]], place: str, usual: tuple[int, int, int]
) -> tuple[int, int, int]:
    reserved, most, free = (
        next((_size(given[name], place, name) for name in some if name in given), default)
        for some, default in zip(names, usual, strict=True)
    )
    return reserved, most, free


def _size(value: Any, place: str, name: str) -> int:
    return _named(place, name, lambda: units.parse_bytes(value))


def _named(place: str, name: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (InvalidArgument, AttributeError, TypeError) as error:
        told = str(error) if isinstance(error, InvalidArgument) else "a text is wanted"
        raise InvalidArgument(f"builder.gc{place}.{name}: {told}") from None


def _object(document: Any, place: str, names: set[str]) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise InvalidArgument(f"builder.gc{place} is an object")
    if unknown := sorted(document.keys() - names):
        raise InvalidArgument(f"builder.gc{place}: unknown: {', '.join(unknown)}; known are {', '.join(sorted(names))}")
    return document


def _share(total: int, percent: int) -> int:
    """Of a disk, in whole gigabytes, at least one."""
    return (total * percent // 100 // _GIGABYTE + 1) * _GIGABYTE
