"""Whether anything that is shown of containers has changed, so that what was made of them may be shown again.

Every assignment of a field of a `Revised` object gives it a new revision; so does `changed`, for what is no field
(which containers there are). Revisions only grow and no two changes share one, in this process. Values that stand in
fields are replaced and never changed in place, but for ``HostConfig.AutoRemove``, which no list shows.
"""

from __future__ import annotations

_latest = 0


def latest() -> int:
    """The revision of the newest change of all."""
    return _latest


def changed() -> int:
    """Note a change; returns its revision."""
    global _latest
    _latest += 1
    return _latest


class Revised:
    """Base of a class with slots whose objects carry the ``revision`` of their last change."""

    __slots__ = ("revision",)

    revision: int

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        object.__setattr__(self, "revision", changed())
