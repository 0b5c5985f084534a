"""What is wired to keep the disk in order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from carrack.daemon import keeping
from carrack.daemon.config import Config
from carrack.engine.images.policy import Rules


def services() -> Any:
    volume = SimpleNamespace(name="data")
    return SimpleNamespace(
        images=SimpleNamespace(keeper=SimpleNamespace(rules=Rules()), store=[], layers=None, checks=None),
        store=[],
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


def test_rules_of_the_configuration_count() -> None:
    made, rules = services(), Rules(keep_last=2)
    keeping.janitor(made, Config(gc=rules)).close()
    assert made.images.keeper.rules == rules
