from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.containers import FakeEvents, FakeRecords, run

from carrack.engine.volumes.store import VolumeStore
from carrack.engine.volumes.usage import usage


def test_only_directories_of_ours_count(tmp_path: Path) -> None:
    records: Any = FakeRecords()
    events: Any = FakeEvents()

    async def main() -> None:
        store = VolumeStore(tmp_path, records, events, lambda name: ["c"] if name == "one" else [])
        await store.create("two")
        await store.create("one")
        await store.create("mounted", options={"type": "tmpfs", "device": "tmpfs"})
        (store.path("two") / "file").write_bytes(b"x" * 100)
        found = [(document["Name"], document["UsageData"]) for document in await usage(store)]
        assert found == [("one", {"RefCount": 1, "Size": 0}), ("two", {"RefCount": 0, "Size": 100})]

    run(main)
