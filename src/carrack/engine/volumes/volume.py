"""What a volume is, and what a driver of volumes does.

A *volume* has a name of its own among all drivers'. Its driver makes and removes it. Before a container uses it, it is
*mounted* for that container (its holder) and gives a directory of the host; after the container's end it is
*unmounted* for it. Most volumes of the local driver are plain directories, which need neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

LOCAL = "local"
ANONYMOUS = "com.docker.volume.anonymous"


@dataclass(slots=True)
class Volume:
    """One volume, as it is recorded; ``created`` is seconds since 1970, 0 for one that only its driver remembers."""

    name: str
    created: int
    labels: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] | None = None
    driver: str = LOCAL

    @property
    def anonymous(self) -> bool:
        """Whether it was made without a name."""
        return ANONYMOUS in self.labels

    @property
    def plain(self) -> bool:
        """Whether it is a directory of ours, with no options: what bulk removal and disk usage count."""
        return self.driver == LOCAL and not self.options


class About(NamedTuple):
    """What a driver tells of a volume: its directory ("" if there is none now), when it was made (RFC 3339 or ""),
    and whatever else it has to say."""

    mountpoint: str
    created: str = ""
    status: dict[str, Any] | None = None


class Driver(Protocol):
    """Keeps volumes. All methods raise CarrackError with Docker's words, without the volume's name before them."""

    @property
    def scope(self) -> str:
        """``local``, or ``global`` when all hosts see the same volumes."""
        ...

    async def create(self, name: str, options: dict[str, str]) -> None:
        """Make a volume; one that is there stays as it is. InvalidArgument on options it does not know."""
        ...

    async def remove(self, volume: Volume) -> None:
        """Delete it with all that is in it; nobody holds it."""
        ...

    def needs_mount(self, volume: Volume) -> bool:
        """Whether it has to be mounted for a container that uses it."""
        ...

    async def mount(self, volume: Volume, holder: str) -> str:
        """Its directory, mounted if need be. Mounting again for the same holder changes nothing."""
        ...

    async def unmount(self, volume: Volume, holder: str, *, last: bool) -> None:
        """The holder needs it no longer; ``last``: nor does anybody else here."""
        ...

    async def about(self, volume: Volume) -> About:
        """What is told of it. NotFound when the driver does not have it."""
        ...
