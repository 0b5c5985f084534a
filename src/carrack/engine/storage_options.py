"""``--storage-opt``: how much a container may write to its root file system. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from carrack.errors import InvalidArgument
from carrack.model.units import parse_bytes

_DAEMON_KEYS = ("size", "overlay2.size")


def limit(options: Mapping[str, str] | None, usual: int) -> int:
    """Bytes of a container with these options; 0 for no limit, which ``size=0`` asks for too. ``usual``: the daemon's.

    Raises InvalidArgument, as Docker words it, for an option there is not.
    """
    for name in options or {}:
        if name.lower() != "size":
            raise InvalidArgument(f"Unknown option {name}")
    values = [value for name, value in (options or {}).items() if name.lower() == "size"]
    return parse_bytes(values[0]) if values else usual


def usual(words: Sequence[str]) -> int:
    """Bytes of containers that say nothing, by the daemon's ``storage-opts``. Raises InvalidArgument."""
    size = 0
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key.lower() not in _DAEMON_KEYS:
            told = f"only {' and '.join(_DAEMON_KEYS)} are options of this engine's storage drivers"
            raise InvalidArgument(f"storage-opts: {word}: {told}; leave it out")
        try:
            size = parse_bytes(value)
        except InvalidArgument as error:
            raise InvalidArgument(f"storage-opts: {word}: {error}") from None
    return size
