"""Volumes: names, anonymous ones, use, filters, prune; directories and records go together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.containers import FakeEvents, FakeRecords, run

from carrack.engine.volumes.store import VolumeStore, _check_name
from carrack.errors import CarrackError, Conflict, InvalidArgument, NotFound


class World:
    def __init__(self, folder: Path) -> None:
        self.users: dict[str, list[str]] = {}
        self.records, self.events = FakeRecords(), FakeEvents()
        self.folder = folder
        self.open()

    def open(self) -> None:
        records: Any = self.records
        events: Any = self.events
        self.store = VolumeStore(self.folder / "volumes", records, events, lambda name: self.users.get(name, []))
        self.store.load()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_made_once_and_found_again_after_a_restart(world: World) -> None:
    async def main() -> None:
        first = await world.store.create("data", labels={"a": "b"})
        again = await world.store.create("data", labels={"other": "x"})
        assert again is first
        assert world.events.actions == ["create"]
        assert (world.folder / "volumes/data/_data").is_dir()
        world.open()
        found = await world.store.find("data")
        assert found.labels == {"a": "b"}
        assert await world.store.document(found) == {
            "CreatedAt": (await world.store.document(first))["CreatedAt"],
            "Driver": "local",
            "Labels": {"a": "b"},
            "Mountpoint": str(world.folder / "volumes/data/_data"),
            "Name": "data",
            "Options": None,
            "Scope": "local",
        }

    run(main)


def test_without_a_name_it_is_anonymous(world: World) -> None:
    async def main() -> None:
        volume = await world.store.create()
        assert len(volume.name) == 64
        assert volume.anonymous
        assert not (await world.store.create("named")).anonymous
        assert world.store.known("nothing") is None

    run(main)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (("a",), InvalidArgument, "create a: volume name is too short, names should be at least two alphanumeric"),
        (
            ("-ab",),
            InvalidArgument,
            'create -ab: "-ab" includes invalid characters for a local volume name, only "[a-zA-Z0-9]',
        ),
        (("../etc",), InvalidArgument, "create ../etc: "),
        (("ab\n",), InvalidArgument, "create ab\n: "),
        (("x" * 256,), InvalidArgument, "create xxx"),
        (("v", "nfs"), NotFound, 'create v: error looking up volume plugin nfs: plugin "nfs" not found'),
        (("ab", "local", {"type": "tmpfs"}), InvalidArgument, 'create ab: missing required option: "device"'),
    ],
)
def test_refusals_leave_nothing(world: World, arguments: Any, kind: type[CarrackError], text: str) -> None:
    async def main() -> None:
        with pytest.raises(kind) as failure:
            await world.store.create(*arguments)
        assert str(failure.value).startswith(text)
        assert os.listdir(world.folder / "volumes") == []
        assert world.records.writes == 0

    run(main)


@given(st.text(max_size=6))
def test_names_never_leave_the_root(name: str) -> None:
    try:
        _check_name(name)
    except InvalidArgument:
        return
    assert os.path.normpath(name) == name
    assert "/" not in name
    assert not name.startswith(".")


def test_removal(world: World) -> None:
    async def main() -> None:
        await world.store.create("data")
        (world.store.path("data") / "file").write_text("x" * 100)
        world.users["data"] = ["c1", "c2"]
        with pytest.raises(Conflict, match=r"^remove data: volume is in use - \[c1, c2\]$"):
            await world.store.remove("data", force=True)
        world.users.clear()
        await world.store.remove("data")
        assert os.listdir(world.folder / "volumes") == []
        assert world.records.rows["volume"] == {}
        for call in (world.store.remove("data"), world.store.remove("other")):
            with pytest.raises(NotFound, match="no such volume"):
                await call
        await world.store.remove("data", force=True)
        assert world.events.actions == ["create", "destroy"]

    run(main)


def test_lists(world: World) -> None:
    async def main() -> None:
        await world.store.create("two")
        await world.store.create("one", labels={"a": "b"})
        world.users["two"] = ["c"]
        found, warnings = await world.store.select({})
        assert ([volume.name for volume, _ in found], warnings) == (["one", "two"], [])
        found, _ = await world.store.select({"dangling": ["true"]})
        assert [(volume.name, about.mountpoint) for volume, about in found] == [("one", str(world.store.path("one")))]
        with pytest.raises(InvalidArgument, match="invalid filter 'foo'"):
            await world.store.select({"foo": ["x"]})

    run(main)


def test_a_volume_that_will_be_used_stays(world: World) -> None:
    async def main() -> None:
        await world.store.create("data", claim="c1")
        assert await world.store.prune({"all": ["true"]}) == ([], 0)
        with pytest.raises(Conflict, match=r"volume is in use - \[c1\]"):
            await world.store.remove("data")
        world.store.disclaim("c1")
        await world.store.remove("data")

    run(main)


def test_prune_takes_what_nobody_named_or_uses(world: World) -> None:
    async def main() -> None:
        await world.store.create("named")
        used, unused = await world.store.create(), await world.store.create()
        (world.store.path(unused.name) / "file").write_bytes(b"x" * 100)
        world.users[used.name] = ["c"]
        assert await world.store.prune({}) == ([unused.name], 100)
        assert await world.store.prune({"label": ["x"], "all": ["1"]}) == ([], 0)
        assert await world.store.prune({"all": ["true"]}) == (["named"], 0)
        with pytest.raises(InvalidArgument, match="invalid filter"):
            await world.store.prune({"foo": ["x"]})
        await world.store.create("tmpfs", options={"type": "tmpfs", "device": "tmpfs"})
        assert await world.store.prune({"all": ["true"]}) == ([], 0)

    run(main)


def test_a_volume_that_could_not_be_recorded_is_none(world: World) -> None:
    async def main() -> None:
        world.records.broken = OSError("no space")
        with pytest.raises(OSError, match="no space"):
            await world.store.create("data")
        assert world.store.known("data") is None
        assert world.events.actions == []

    run(main)
