"""What a scenario is made of: requests and whole conversations, as data.

Texts may name what earlier answers gave, like `{web}` for an id; `{now}` is the time in seconds. A target that begins
with "/" gets the version in front; one that begins with "=" is sent as it stands behind that sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

VERSIONS = tuple(f"1.{minor}" for minor in range(41, 52))
CURRENT = VERSIONS[-1]
ALL = VERSIONS
NOTHING: Any = object()


@dataclass(frozen=True)
class Step:
    """One request with a whole answer.

    `save` names values of the answer for later steps ({"web": "Id"}). `upgrade` is sent down the stream that a hijacked
    connection becomes, after which our side is half-closed. `types` keeps of values only what they are.
    """

    name: str
    method: str
    target: str
    json: Any = NOTHING
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    save: Mapping[str, str] = field(default_factory=dict)
    versions: Sequence[str] = (CURRENT,)
    types: bool = False
    hidden: bool = False
    """Part of the way only; the answer must be below 400 and is not compared."""
    eventually: str = ""
    """Asked again until this text is in the answer (at most some seconds)."""


@dataclass(frozen=True)
class Send:
    """Bytes, with names filled in."""

    data: bytes


@dataclass(frozen=True)
class Read:
    """One answer; the method tells whether it has a body."""

    method: str = "GET"


@dataclass(frozen=True)
class Shut:
    """Half-close."""


@dataclass(frozen=True)
class Pause:
    """Some time without a byte."""

    seconds: float


@dataclass(frozen=True)
class Head:
    """An answer's head only; what follows is read by Rest."""


@dataclass(frozen=True)
class Rest:
    """Everything until the server closes."""


@dataclass(frozen=True)
class Alive:
    """Whether the connection still serves requests: a ping that is answered or not."""


@dataclass(frozen=True)
class Other:
    """A request on a connection of its own, in the middle of a conversation."""

    step: Step


Move = Send | Read | Shut | Pause | Head | Rest | Alive | Other


@dataclass(frozen=True)
class Talk:
    """A conversation on one connection."""

    name: str
    moves: Sequence[Move]


Scenario = Sequence[Step | Talk]
