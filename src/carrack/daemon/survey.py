"""What a daemon that starts looks at first: the records, and the containers that run.

It is little code and little work, so that the list of containers can be answered while the rest is still on its way.
"""

from __future__ import annotations

from pathlib import Path

from carrack.daemon.config import Config
from carrack.engine.containers import survivors
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.store import ContainerStore
from carrack.engine.containers.survivors import Ended
from carrack.storage.records import Records
from carrack.storage.reserve import Reserve


class Survey:
    """The records and what they tell of containers; `take` before anything else, `close` at the very end."""

    def __init__(self, config: Config) -> None:
        root = Path(config.data_root)
        self.records = Records(root / "meta.db", Reserve(root / "reserve"))
        self.store = ContainerStore(self.records)
        self.paths = Paths(str(config.data_root), str(config.exec_root), config.cgroup_parent)
        self.ended: list[Ended] = []

    async def take(self) -> None:
        """Open the records and find the shims. Raises OSError or Internal when the records cannot be used."""
        self.records.start()
        self.store.load()
        self.ended = await survivors.find(self.store, self.paths)

    @property
    def holds(self) -> bool:
        """Whether all that is on record is so: nothing that was running has ended meanwhile."""
        return not any(c.state.running for c, _ in self.ended)

    def close(self) -> None:
        """Close the records. Blocks until they are written."""
        self.records.close()
