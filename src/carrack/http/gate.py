"""How many clients may be connected at once, so that those who only stay cannot use up the daemon's descriptors."""

from __future__ import annotations

import resource

_LEAST, _MOST = 64, 16384
_TELL = 32


class Gate:
    """Counts what has entered and not left. `limit` is a number of connections."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.full = f"{limit} clients are connected, which is the most there may be; try again later"
        """What is told to who does not get in."""
        self._inside: set[object] = set()
        self._told: set[object] = set()

    def enter(self, who: object) -> bool:
        """Whether there is room; if so, `who` takes it."""
        if len(self._inside) >= self.limit:
            return False
        self._inside.add(who)
        return True

    def tell(self, who: object) -> bool:
        """Whether there is time to tell `who` why it does not get in."""
        if len(self._told) >= _TELL:
            return False
        self._told.add(who)
        return True

    def leave(self, who: object) -> None:
        """Give the room of `who` back, if it had any."""
        self._inside.discard(who)
        self._told.discard(who)


def usual_limit() -> int:
    """Half of the descriptors this process may open: a stream needs another one or two beside its connection."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(_LEAST, min(_MOST, soft // 2))
