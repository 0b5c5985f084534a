"""What is wired to keep the disk in order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from carrack.daemon import keeping
from carrack.daemon.config import Config
from carrack.engine.images.policy import Rules


class Containers(list[Any]):
    """Plays the container store."""

    def __init__(self) -> None:
        self.transient: set[str] = set()


def services() -> Any:
    volume = SimpleNamespace(name="data")
    return SimpleNamespace(
        images=SimpleNamespace(
            keeper=SimpleNamespace(rules=Rules()),
            store=[],
            layers=SimpleNamespace(cache=SimpleNamespace(blobs=()), blobs=list),
            checks=None,
        ),
        store=Containers(),
        build_cache=[],
        volumes=SimpleNamespace(recorded=[volume]),
        snapshotter=SimpleNamespace(name="erofs", keys=list),
        records=SimpleNamespace(path="meta.db"),
    )


def test_the_account_is_of_this_data_root(tmp_path: Path) -> None:
    (tmp_path / "volumes" / "data").mkdir(parents=True)
    made = keeping.accountant(services(), Config(data_root=tmp_path))
    account = asyncio.run(made.explain())
    assert account["Root"] == str(tmp_path)
    assert ["data"] in [row["Owners"] for row in account["Rows"]]
    paths = {route.path for route in keeping.routes(services(), Config(data_root=tmp_path))}
    assert {"/system/df/explain", "/system/gc", "/system/fsck"} <= paths


def test_the_janitor_is_one_of_these_images() -> None:
    running = keeping.janitor(services())
    assert running.cr_frame is not None  # type: ignore[attr-defined]
    assert running.cr_frame.f_locals["self"]._keeper.rules == Rules()  # type: ignore[attr-defined]
    running.close()
