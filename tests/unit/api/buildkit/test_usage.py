"""What BuildKit's Control tells of the build cache, and removes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from carrack.api.buildkit.usage import Usage
from carrack.engine.build import rules
from carrack.engine.build.cache import Entry
from carrack.engine.build.limits import Limits, choose
from carrack.engine.build.prune import Row

SECOND = 10**9
BASE = Row("a", "regular", "RUN x", 10, SECOND + 5, 0, 1, False, False, (), Entry("sha256:k", ""))


class Cache:
    rules = rules.USUAL.on(252 * 10**9)

    def __init__(self) -> None:
        self.all = [replace(BASE, id="old", last_used=SECOND), replace(BASE, id="new", last_used=1 << 62)]

    async def rows(self) -> list[Row]:
        return self.all

    async def prune(self, limits: Limits, wanted: Any) -> list[Row]:
        return choose(self.all, limits, wanted, 0)


class Call:
    def __init__(self, **asked: Any) -> None:
        self._asked = {"filter": [], "all": False, "keepDuration": 0} | asked
        self.told: list[Any] = []

    async def recv_message(self) -> Any:
        return {"reservedSpace": 0, "maxUsedSpace": 0, "minFreeSpace": 0} | self._asked

    async def send_message(self, message: Any) -> None:
        self.told.append(message)


def ask(name: str, **asked: Any) -> list[Any]:
    call = Call(**asked)
    method = Usage(Cache()).methods()[f"/moby.buildkit.v1.Control/{name}"]  # type: ignore[arg-type]
    asyncio.run(method.serve(call))
    return call.told


def test_what_is_told_of_each() -> None:
    (answer,) = ask("DiskUsage")
    assert [row["ID"] for row in answer["record"]] == ["old", "new"]
    first = answer["record"][0]
    assert (first["CreatedAt"], first["LastUsedAt"]) == ({"seconds": 1, "nanos": 5}, {"seconds": 1, "nanos": 0})
    assert (first["Mutable"], first["RecordType"], first["Size"]) == (False, "regular", 10)
    assert [row["ID"] for row in ask("DiskUsage", filter=["id~=ew"])[0]["record"]] == ["new"]


def test_only_what_was_unused_for_so_long_goes() -> None:
    assert [row["ID"] for row in ask("Prune", keepDuration=3600 * SECOND)] == ["old"]
    assert ask("Prune", filter=["type==source.local"]) == []
    assert [row["ID"] for row in ask("Prune", maxUsedSpace=15)] == ["old"]


def test_rules_as_a_worker_shows_them() -> None:
    shown = Usage(Cache()).rules()  # type: ignore[arg-type]
    assert shown[0]["filters"] == ["type==source.local,type==exec.cachemount,type==source.git.checkout"]
    assert [(rule["all"], rule["keepDuration"] // SECOND // 3600) for rule in shown] == [
        (False, 48), (False, 1440), (False, 0), (True, 0),
    ]  # fmt: skip
