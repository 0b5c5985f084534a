"""What a build tells while it goes on: vertices that start, say something and end. Each face draws its own picture.

A vertex is a step, or the loading of something a step needs. Everything is told on the event loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from carrack.dockerfile.checks import Breach
    from carrack.dockerfile.problem import Place

STDOUT, STDERR = 1, 2
#: who is given what a program says while it goes on, piece by piece
Said = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Vertex:
    """``name`` as people read it (``[build 2/5] RUN make``); ``inputs``: digests of the vertices it waits for.

    ``stage`` is its place in the Dockerfile, -1 for what is in none;
    ``text`` is the instruction, ``ordinal`` its place in its stage, 0 for FROM, below 0 for the triggers of what the
    stage begins with, which are part of its FROM; ``quiet``: it changes no file, and is
    of interest to those only who tell of every instruction; ``place``: its lines, if it has some."""

    digest: str
    name: str
    inputs: tuple[str, ...] = ()
    stage: int = -1
    text: str = ""
    ordinal: int = 0
    quiet: bool = False
    place: Place | None = None

    @classmethod
    def make(cls, build: str, name: str, **more: Any) -> Vertex:
        """A vertex of one build; its digest tells it from those of other builds too."""
        text = "\0".join((build, name, str(more.get("stage", -1)), str(more.get("ordinal", 0))))
        return cls(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}", name, **more)


class Progress(Protocol):
    """Who watches a build."""

    def started(self, vertex: Vertex) -> None:
        """Work on it begins, or it is being looked up."""

    def log(self, vertex: Vertex, stream: int, data: bytes) -> None:
        """What its program writes to STDOUT or STDERR."""

    def moved(self, vertex: Vertex, what: str, current: int, total: int) -> None:
        """How far something in it has come, in bytes; ``total`` 0 when nobody knows."""

    def ended(self, vertex: Vertex, *, cached: bool = False, error: str = "", reason: str = "") -> None:
        """It is done, was found in the cache, or has failed. ``reason``: why it had to be done (``--explain``)."""

    def warned(self, vertex: Vertex | None, text: str, line: int = 0, breach: Breach | None = None) -> None:
        """Something that is not wrong enough to stop; ``breach``: the rule of Dockerfiles that it is against."""


class Silent:
    """See Progress: nobody watches."""

    def started(self, vertex: Vertex) -> None:
        """See Progress."""

    def log(self, vertex: Vertex, stream: int, data: bytes) -> None:
        """See Progress."""

    def moved(self, vertex: Vertex, what: str, current: int, total: int) -> None:
        """See Progress."""

    def ended(self, vertex: Vertex, *, cached: bool = False, error: str = "", reason: str = "") -> None:
        """See Progress."""

    def warned(self, vertex: Vertex | None, text: str, line: int = 0, breach: Breach | None = None) -> None:
        """See Progress."""
