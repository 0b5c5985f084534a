"""Caches from one machine to another: what is found, what is not believed, what is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.caches import Machine

from carrack.engine.build.caching.wanted import CacheAt
from carrack.errors import InvalidArgument

TEXT = "FROM base AS one\nRUN make\nFROM base\nCOPY a /a\nRUN echo\nCOPY --from=one /make /m\n"
MAX = CacheAt("local", {"dest": "folder", "mode": "max"})
Machines = tuple[Machine, Machine]


async def _both(machines: Machines, text: str = TEXT, give: CacheAt = MAX) -> tuple[Any, Any, Any]:
    here, there = machines
    first, _ = await here.build(text, {"a": "1"}, give=give)
    second, watcher = await there.build(text, {"a": "1"}, imports=(here.store.at(),))
    return first, second, watcher


def test_what_one_has_done_the_other_takes(machines: Machines) -> None:
    first, second, watcher = asyncio.run(_both(machines))
    assert machines[1].workshop.runner.ran == []
    assert second.layers == first.layers
    assert second.history == first.history
    assert len(watcher.cached()) == 4
    assert watcher.ends["[one 2/2] RUN make"] == (True, "", "what was made of it came from a cache")
    assert watcher.ends["[stage-1 3/4] RUN echo"][2].startswith("it came from the cache local sha256:")
    assert watcher.ends["importing cache manifest from folder"] == (False, "", "")


def test_it_is_found_again_only_by_those_who_name_that_cache(machines: Machines) -> None:
    async def run() -> None:
        await _both(machines)
        here, there = machines
        there.transfers.fetched.clear()
        await there.build(TEXT, {"a": "1"}, imports=(here.store.at(),))
        assert (there.workshop.runner.ran, there.transfers.fetched) == ([], [])
        await there.build(TEXT, {"a": "1"})
        assert there.workshop.runner.ran == ["make", "echo"]

    asyncio.run(run())


def test_other_files_are_another_step(machines: Machines) -> None:
    async def run() -> None:
        here, there = machines
        await here.build(TEXT, {"a": "1"}, give=MAX)
        _, watcher = await there.build(TEXT, {"a": "2"}, imports=(here.store.at(),))
        assert there.workshop.runner.ran == ["echo"]
        assert watcher.cached() == ["[one 2/2] RUN make"]

    asyncio.run(run())


def test_without_max_only_the_steps_of_the_result_are_there(machines: Machines) -> None:
    async def run() -> None:
        await _both(machines, give=CacheAt("local", {"dest": "folder"}))
        here, there = machines
        assert there.workshop.runner.ran == []  # what is copied from is not asked for
        await there.build("FROM base AS one\nRUN make\n", imports=(here.store.at(),))
        assert there.workshop.runner.ran == ["make"]

    asyncio.run(run())


@pytest.mark.parametrize("attributes", [
    {"compression": "zstd"}, {"compression": "gzip", "compression-level": "9", "force-compression": "true"},
    {"compression": "uncompressed"}, {"oci-mediatypes": "false"}, {"image-manifest": "false"},
])  # fmt: skip
def test_other_forms_say_the_same(machines: Machines, attributes: dict[str, str]) -> None:
    pytest.importorskip("zstandard") if "zstd" in attributes.values() else None
    asyncio.run(_both(machines, give=CacheAt("local", {**MAX.attributes, **attributes})))
    assert machines[1].workshop.runner.ran == []


def test_a_cache_that_is_not_there_stops_nothing(machines: Machines) -> None:
    async def run() -> None:
        _, there = machines
        there.store.manifest = "sha256:" + "0" * 64
        imports = (there.store.at(), CacheAt("s3", {"bucket": "b"}))
        _, watcher = await there.build(TEXT, {"a": "1"}, imports=imports)
        assert there.workshop.runner.ran == ["make", "echo"]
        assert "is not there" in watcher.ends["importing cache manifest from folder"][1]
        assert "type=s3 is not supported" in watcher.ends["importing cache manifest from s3"][1]

    asyncio.run(run())


def _documents(machine: Machine) -> dict[str, Any]:
    """The JSON documents among the blobs."""
    return {digest: json.loads(data) for digest, data in machine.store.blobs.items() if data[:1] == b"{"}


def _swap_contents(machine: Machine) -> None:
    """Each layer's blob has the bytes of another."""
    blobs, documents = machine.store.blobs, _documents(machine)
    names = [digest for digest in blobs if digest not in documents]
    data = [blobs[name] for name in names]
    blobs.update(zip(names, data[1:] + data[:1], strict=True))


def _cut(machine: Machine) -> None:
    blobs, documents = machine.store.blobs, _documents(machine)
    blobs.update({digest: data[:-1] for digest, data in blobs.items() if digest not in documents})


@pytest.mark.parametrize("harm", [_swap_contents, _cut])
def test_layers_that_are_not_what_they_are_called_are_not_taken(
    machines: Machines, harm: Callable[[Machine], None]
) -> None:
    async def run() -> None:
        here, there = machines
        await here.build(TEXT, {"a": "1"}, give=MAX)
        harm(here)
        _, watcher = await there.build(TEXT, {"a": "1"}, imports=(here.store.at(),))
        assert sorted(there.workshop.runner.ran) == ["echo", "make"]
        assert any("cannot be had" in text for text in watcher.warnings)

    asyncio.run(run())


def test_a_result_on_other_layers_is_not_taken(machines: Machines) -> None:
    """CVE-2024-24557 for caches of others: the right name of a step on files that it was not made on."""

    async def run() -> None:
        here, there = machines
        text = "FROM base\nRUN one\nRUN two\n"
        await here.build(text, give=MAX)

        async def program(job, upper) -> int:  # type: ignore[no-untyped-def]
            (upper / "other").write_text(job.words[-1])
            return 0

        there.workshop.runner.program = program
        await there.build("FROM base\nRUN one\n")
        _, watcher = await there.build(text, imports=(here.store.at(),))
        assert there.workshop.runner.ran == ["one", "two"]
        assert watcher.cached() == ["[2/3] RUN one"]

    asyncio.run(run())


def test_no_cache_asks_no_cache(machines: Machines) -> None:
    async def run() -> None:
        here, there = machines
        await here.build(TEXT, {"a": "1"}, give=MAX)
        await there.build(TEXT, {"a": "1"}, imports=(here.store.at(),), no_cache=True)
        assert there.workshop.runner.ran == ["make", "echo"]

    asyncio.run(run())


def test_a_failing_export_may_be_ignored(machines: Machines) -> None:
    async def run() -> None:
        here, _ = machines

        async def refused(descriptor: object, chunks: object) -> None:
            raise InvalidArgument("full")

        here.store.write = refused  # type: ignore[method-assign]
        with pytest.raises(InvalidArgument, match="full"):
            await here.build(TEXT, {"a": "1"}, give=MAX)
        ignoring = CacheAt("local", {**MAX.attributes, "ignore-error": "true"})
        _, watcher = await here.build(TEXT, {"a": "1"}, give=ignoring)
        assert watcher.ends["exporting cache to client directory"][1] == "full"

    asyncio.run(run())


def test_the_image_carries_its_own_cache(machines: Machines) -> None:
    async def run() -> None:
        here, _ = machines
        result, _ = await here.build(TEXT, {"a": "1"}, give=CacheAt("inline"))
        import base64

        records = json.loads(base64.b64decode(result.cache))
        numbers = sorted(layer["layer"] for record in records for layer in record.get("layers", ()))
        assert numbers == [0, 0, 1, 1, 2, 2]
        assert any(record.get("inputs") for record in records)

    asyncio.run(run())
