"""Drivers by name; and the store with volumes of several drivers, in Docker's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes import plugin as fake
from tests.fakes.containers import FakeEvents, FakeRecords, run

from carrack.engine.plugins.registry import Plugins
from carrack.engine.volumes.drivers import Drivers
from carrack.engine.volumes.local import LocalDriver
from carrack.engine.volumes.store import VolumeStore
from carrack.errors import Conflict, Internal, NotFound


def test_drivers(tmp_path: Path) -> None:
    async def main() -> None:
        drivers = Drivers(LocalDriver(tmp_path / "volumes"), Plugins([str(tmp_path)], patience=0))
        assert await drivers.get("") is await drivers.get("local") is drivers.local
        assert drivers.names() == ["local"]
        plug = await drivers.get("plug")
        assert await drivers.get("plug") is plug
        assert (plug.scope, drivers.scope("plug"), drivers.scope("local")) == ("global", "global", "local")
        assert drivers.names() == ["local", "plug"]
        with pytest.raises(NotFound, match='error looking up volume plugin nosuch: plugin "nosuch" not found'):
            await drivers.get("nosuch")
        with pytest.raises(NotFound, match='"guard" does not implement VolumeDriver'):
            await drivers.get("guard")
        server.answers["VolumeDriver.List"] = {"Err": "confused"}
        assert await drivers.listed() == ({}, ["plugin plug: confused"])

    with (
        fake.Plugin(tmp_path / "plug.sock", tmp_path / "far") as server,
        fake.Plugin(tmp_path / "guard.sock", tmp_path / "far", ("authz",)),
    ):
        server.scope = "global"
        run(main)


def test_volumes_of_several_drivers(tmp_path: Path) -> None:
    records: Any = FakeRecords()
    events: Any = FakeEvents()

    def open_store() -> VolumeStore:
        store = VolumeStore(
            tmp_path / "volumes", records, events, lambda name: [], Plugins([str(tmp_path)], patience=0)
        )
        store.load()
        return store

    async def names(store: VolumeStore) -> tuple[list[str], int]:
        found, warnings = await store.select({})
        return [volume.name for volume, _ in found], len(warnings)

    async def main() -> None:
        store = open_store()
        await store.create("near")
        far = await store.create("far", "plug", {"a": "b"}, {"l": "1"})
        document = await store.document(far)
        assert document["Mountpoint"] == str(tmp_path / "there/far")
        assert (document["Driver"], document["Status"], document["Options"]) == ("plug", {"kept": "well"}, {"a": "b"})
        assert await store.create("far") is far
        for name, driver, other in (("far", "local", "plug"), ("near", "plug", "local")):
            told = f"create {name}: driver '{other}' already has volume '{name}': volume name must be unique"
            with pytest.raises(Conflict) as failure:
                await store.create(name, driver)
            assert str(failure.value) == told
        server.volumes["strange"] = {}
        assert await names(store) == (["far", "near", "strange"], 0)
        assert (await store.find("strange")).driver == "plug"
        assert (await store.create("strange")).driver == "plug"
        server.answers["VolumeDriver.Create"] = {"Err": "create words"}
        with pytest.raises(Internal, match=r"^create other: create words$"):
            await store.create("other", "plug")
        server.answers["VolumeDriver.Remove"] = {"Err": "remove words"}
        with pytest.raises(Internal, match=r"^remove far: remove words$"):
            await store.remove("far")
        assert await open_store().prune({"all": ["true"]}) == (["near"], 0)
        store = open_store()
        server.answers["VolumeDriver.Get"] = {"Err": "gone"}
        with pytest.raises(NotFound, match=r"^get far: gone$"):
            await store.document(far)
        server.answers["VolumeDriver.List"] = {"Err": "confused"}
        assert await names(store) == (["far", "strange"], 1)
        await store.remove("far", force=True)
        assert store.known("far") is None

    with fake.Plugin(tmp_path / "plug.sock", tmp_path / "there") as server:
        run(main)
