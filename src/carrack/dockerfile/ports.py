"""The ports of an EXPOSE: ``80``, ``53/udp``, ``8000-8010/tcp``. Addresses and ports of the host before them, which
mean nothing here, are left out: ``127.0.0.1:8080:80``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from carrack.dockerfile.commands import Expose
from carrack.dockerfile.problem import DockerfileError

MAPPED = re.compile(r"(?:(?:\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(?:\d+(?:-\d+)?)?:(?=\d)")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)


def each(word: str, command: Expose) -> Iterator[str]:
    """Each port of a word as ``80/tcp``. Raises DockerfileError."""
    mapped = MAPPED.match(word)
    match = _PORT.fullmatch(word[mapped.end() :] if mapped else word)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if match is None or not 1 <= first <= last <= 65535:
        raise DockerfileError(f"invalid containerPort: {word}", command.place)
    for port in range(first, last + 1):
        yield f"{port}/{(match[3] or 'tcp').lower()}"
