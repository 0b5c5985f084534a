"""The cgroup that all containers have theirs in: remembered as ours when we made it, so that we may remove it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.runtime.cgroups.hierarchy import detect

if TYPE_CHECKING:
    from carrack.storage.records import Records

log = logging.getLogger(__name__)

_ROOT = Path("/sys/fs/cgroup")


async def claim(records: Records, parent: str, root: Path = _ROOT) -> None:
    """Remember that ``parent`` is ours to remove, if it is not there yet."""
    if not any(root.glob(f"*{parent}")) and not Path(str(root) + parent).exists():
        await records.write(
            lambda db: db.execute("INSERT OR REPLACE INTO setting VALUES ('cgroup-parent', ?)", (parent,)), spare=True
        )


def is_ours(records: Records, parent: str) -> bool:
    """Whether that was remembered."""
    return bool(records.read("SELECT 1 FROM setting WHERE key = 'cgroup-parent' AND value = ?", (parent,)))


def release(records: Records, parent: str) -> None:
    """Remove it, if it is ours and empty."""
    if is_ours(records, parent):
        try:
            detect().open(parent).remove()
        except OSError as error:
            log.debug("the cgroup %s stays: %s", parent, error)
