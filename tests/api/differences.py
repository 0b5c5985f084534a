"""Where our answers are not Docker's, on purpose, and why. An entry that matches nothing any more fails the tests."""

from __future__ import annotations

from fnmatch import fnmatchcase

# (pattern of `scenario/step[version].path`, reason)
DELIBERATE: tuple[tuple[str, str], ...] = ()


def reason(where: str) -> str | None:
    """The pattern that allows a difference; None when nothing does."""
    for pattern, _ in DELIBERATE:
        if fnmatchcase(where, _literal(pattern)):
            return pattern
    return None


def _literal(pattern: str) -> str:
    """Brackets are part of the paths, not classes of characters."""
    return pattern.replace("[", "[[]")
