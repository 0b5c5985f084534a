"""The store: finding by id, name and prefix; names reserved before anything is made; records that stay."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.containers import FakeRecords, container, run

from carrack.engine.containers.store import ContainerStore
from carrack.errors import Conflict, InvalidArgument, NotFound


def new(records: FakeRecords | None = None) -> tuple[ContainerStore, FakeRecords]:
    kept: Any = records or FakeRecords()
    return ContainerStore(kept), kept


def test_found_by_id_name_and_unique_prefix() -> None:
    async def main() -> None:
        store, _ = new()
        first, second = container(0x11), container(0x12)
        for c in (first, second):
            store.reserve(c.name, c.id)
            await store.add(c)
        assert store.find(first.id) is store.find(first.name) is store.find("/" + first.name) is store.find("11")
        assert len(store) == 2
        with pytest.raises(InvalidArgument, match=r"^multiple IDs found with provided prefix: 1$"):
            store.find("1")
        with pytest.raises(NotFound, match=r"^No such container: nope$"):
            store.find("nope")
        with pytest.raises(InvalidArgument):
            store.find("")

    run(main)


def test_a_name_wins_over_a_prefix() -> None:
    async def main() -> None:
        store, _ = new()
        for c in (container(0x11), container(0x22, name="1111")):
            store.reserve(c.name, c.id)
            await store.add(c)
        assert store.find("1111").id == "22" * 32

    run(main)


def test_a_reserved_name_is_taken_but_not_found() -> None:
    store, _ = new()
    store.reserve("web", "1" * 64)
    with pytest.raises(Conflict) as failure:
        store.reserve("web", "2" * 64)
    assert str(failure.value) == (
        f'Conflict. The container name "/web" is already in use by container "{"1" * 64}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
    with pytest.raises(NotFound):
        store.find("web")
    store.release("web")
    store.reserve("web", "2" * 64)


def test_a_removed_container_is_not_recorded_again() -> None:
    async def main() -> None:
        store, records = new()
        c = container(1)
        store.reserve(c.name, c.id)
        await store.add(c)
        c.state.status = "removing"
        await store.delete(c)
        await store.save(c)  # of an operation that was under way
        assert records.rows["container"] == {}

    run(main)


@pytest.mark.census("state dead")
def test_records_outlive_the_store_and_a_broken_one_harms_none(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        store, records = new()
        c = container(1, status="exited", exit_code=3)
        store.reserve(c.name, c.id)
        await store.add(c)
        records.rows["container"]["x"] = ("x", "x", "{")
        records.rows["container"]["y"] = ("y", "y", '{"id": 1}')
        again, _ = new(records)
        again.load()
        assert again.find(c.name).state.exit_code == 3
        assert len(again) == 3
        broken = again.find("x")
        assert (broken.state.status, broken.host_config["NetworkMode"]) == ("dead", "none")
        await again.save(broken)
        assert records.rows["container"]["x"] == ("x", "x", "{"), "what cannot be understood is kept as it is"
        await again.delete(broken)
        assert "x" not in records.rows["container"]
        with pytest.raises(Conflict):
            again.reserve(c.name, "other")

    run(main)
    assert caplog.text.count("unreadable record") == 2


def test_renaming_frees_the_old_name_only_when_it_is_recorded() -> None:
    async def main() -> None:
        store, records = new()
        c = container()
        store.reserve(c.name, c.id)
        await store.add(c)
        store.reserve("new", c.id)
        records.broken = OSError("no space")
        with pytest.raises(OSError, match="no space"):
            await store.rename(c, "new")
        assert c.name == "name1"
        await store.rename(c, "new")
        assert store.find("new") is c
        with pytest.raises(NotFound):
            store.find("name1")
        assert records.rows["container"][c.id][1] == "new"

    run(main)


def test_delete_forgets() -> None:
    async def main() -> None:
        store, records = new()
        c = container()
        store.reserve(c.name, c.id)
        await store.add(c)
        records.broken = OSError("no space")
        with pytest.raises(OSError, match="no space"):
            await store.delete(c)
        assert store.find(c.name) is c
        await store.delete(c)
        assert list(store) == []
        assert records.rows["container"] == {}
        store.reserve(c.name, "other")

    run(main)


def test_exit_codes_of_those_that_removed_themselves_are_kept_for_a_while() -> None:
    async def main() -> None:
        store, _ = new()
        for number in range(0x100, 0x100 + 1030):
            c = container(number)
            c.host_config["AutoRemove"], c.state.exit_code = number != 0x110, number % 7
            c.state.started_at = 1
            await store.add(c)
            await store.delete(c)
        assert len(store.departed) == 1024
        assert container(0x110).id not in store.departed
        assert container(0x100).id not in store.departed
        last = 0x100 + 1029
        assert store.departed[container(last).id] == last % 7

    run(main)
