"""Keeps what is being used out of the collector's reach, so that it may run while the registry is written to.

Whoever is about to rely on a piece of content says so first (`using`) and looks for it then. The collector asks for
each piece it wants to remove (`removing`): it is refused what is in use, and what was used since it began to look. So
either the user finds that the content is gone already, or it stays.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Guard:
    """Keys are any strings that name content."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._using: Counter[str] = Counter()
        self._seen: set[str] | None = None
        self._running = threading.Lock()

    @contextmanager
    def using(self, *keys: str) -> Iterator[None]:
        """These stay while the block runs, and until the end of a collection that is running."""
        with self._lock:
            self._using.update(keys)
            if self._seen is not None:
                self._seen.update(keys)
        try:
            yield
        finally:
            with self._lock:
                for key in keys:
                    self._using[key] -= 1
                    if not self._using[key]:
                        del self._using[key]

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """One collection; a second waits."""
        with self._running:
            with self._lock:
                self._seen = set(self._using)
            try:
                yield
            finally:
                with self._lock:
                    self._seen = None

    @contextmanager
    def removing(self, key: str) -> Iterator[bool]:
        """Within `collecting`: whether `key` may be removed; nobody begins to use anything until the block ends."""
        with self._lock:
            yield self._seen is not None and key not in self._seen and key not in self._using
