"""The ports of an EXPOSE: ``80``, ``53/udp``, ``8000-8010/tcp``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from carrack.dockerfile.commands import Expose
from carrack.dockerfile.problem import DockerfileError

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)


def each(word: str, command: Expose) -> Iterator[str]:
    """Each port of a word as ``80/tcp``. Raises DockerfileError."""
    match = _PORT.fullmatch(word)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if match is None or not 1 <= first <= last <= 65535:
        raise DockerfileError(f"invalid containerPort: {word}", command.place)
    for port in range(first, last + 1):
        yield f"{port}/{(match[3] or 'tcp').lower()}"
