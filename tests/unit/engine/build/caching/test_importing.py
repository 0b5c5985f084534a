"""Caches out of registries, and what is not believed of them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.fakes.caches import Machine
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry

from carrack.engine.build.caching import config
from carrack.engine.build.caching.wanted import CacheAt

TEXT = "FROM base AS one\nRUN make\nFROM base\nCOPY a /a\nRUN echo\nCOPY --from=one /make /m\n"
Machines = tuple[Machine, Machine]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def _at(registry: FakeRegistry, **more: str) -> CacheAt:
    return CacheAt("registry", {"ref": f"{registry.host}/team/cache:1", **more})


def _given(machines: Machines, registry: FakeRegistry, **more: str) -> None:
    asyncio.run(machines[0].build(TEXT, {"a": "1"}, give=_at(registry, mode="max", **more)))


def _taken(machines: Machines, registry: FakeRegistry) -> Any:
    _, watcher = asyncio.run(machines[1].build(TEXT, {"a": "1"}, imports=(_at(registry),)))
    return watcher


@pytest.mark.parametrize("more", [{}, {"image-manifest": "false"}, {"oci-mediatypes": "false"}])
def test_by_a_registry(machines: Machines, registry: FakeRegistry, more: dict[str, str]) -> None:
    _given(machines, registry, **more)
    watcher = _taken(machines, registry)
    assert (machines[1].workshop.runner.ran, len(watcher.cached())) == ([], 4)
    assert watcher.ends[f"importing cache manifest from {registry.host}/team/cache:1"] == (False, "", "")


def test_what_is_not_there_is_told(machines: Machines, registry: FakeRegistry) -> None:
    watcher = _taken(machines, registry)
    assert machines[1].workshop.runner.ran == ["make", "echo"]
    assert "unknown" in watcher.ends[f"importing cache manifest from {registry.host}/team/cache:1"][1]


def _poisoned(document: dict[str, Any]) -> None:
    """Every record says that it gave what the last one did."""
    for record in document["records"]:
        record["layers"] = [{"layer": len(document["layers"]) - 1, "createdAt": "2099-01-01T00:00:00Z"}]


def _circle(document: dict[str, Any]) -> None:
    document["layers"][0]["parent"] = 0


def _wrong_link(document: dict[str, Any]) -> None:
    next(record for record in document["records"] if "inputs" in record)["inputs"][0][0]["link"] = 10**9


def _renamed(document: dict[str, Any]) -> None:
    for record in document["records"]:
        record["digest"] = hashlib.sha256(record["digest"].encode()).hexdigest()


def _replace_config(registry: FakeRegistry, change: Callable[[dict[str, Any]], None]) -> None:
    """Another document of records, with right digests."""
    media_type, _, data = registry.content.manifest("team/cache", "1") or ("", "", b"")
    manifest = json.loads(data)
    blob = registry.content.blobs[manifest["config"]["digest"]]
    assert isinstance(blob, bytes)
    document = json.loads(blob)
    change(document)
    changed = json.dumps(document).encode()
    digest = registry.content.put_blob("team/cache", changed)
    manifest["config"] |= {"digest": digest, "size": len(changed)}
    registry.content.put_manifest("team/cache", json.dumps(manifest).encode(), media_type, "1")


@pytest.mark.parametrize("change", [_poisoned, _circle, _wrong_link, _renamed])
def test_a_cache_that_lies_gives_nothing_wrong(
    machines: Machines, registry: FakeRegistry, change: Callable[[dict[str, Any]], None]
) -> None:
    """CVE-2024-24557: whatever it says, no step is given files that lie on others than its own."""
    _given(machines, registry)
    _replace_config(registry, change)
    first, _ = asyncio.run(machines[0].build(TEXT, {"a": "1"}))
    second, _ = asyncio.run(machines[1].build(TEXT, {"a": "1"}, imports=(_at(registry),)))
    if change is not _poisoned:
        assert machines[1].workshop.runner.ran == ["make", "echo"]
    assert second.layers == first.layers or machines[1].workshop.runner.ran
    for number, layer in enumerate(second.layers):
        assert machines[1].workshop.world.layers.has(layer), number


def test_an_image_that_carries_a_cache(machines: Machines, registry: FakeRegistry) -> None:
    here, there = machines
    result, _ = asyncio.run(here.build("FROM base\nRUN make\n", give=CacheAt("inline")))
    layers = [tar({"made": b"x"})]
    records = json.loads(base64.b64decode(result.cache))
    registry.content.add_image("team/cache", "1", layers, config={config.INLINE: base64.b64encode(b"[").decode()})
    assert "importing cache" in next(iter(_taken(machines, registry).ends))
    assert there.workshop.runner.ran == ["make", "echo"]
    assert any("layers" in record for record in records)


def test_an_image_without_one_is_an_empty_cache(machines: Machines, registry: FakeRegistry) -> None:
    registry.content.add_image("team/cache", "1", [tar({"made": b"x"})])
    watcher = _taken(machines, registry)
    assert watcher.ends[f"importing cache manifest from {registry.host}/team/cache:1"] == (False, "", "")
    assert machines[1].workshop.runner.ran == ["make", "echo"]


def test_documents_that_are_too_large_are_not_read(machines: Machines, registry: FakeRegistry) -> None:
    _given(machines, registry)
    media_type, _, data = registry.content.manifest("team/cache", "1") or ("", "", b"")
    manifest = json.loads(data)
    manifest["config"]["size"] = config.SIZE_LIMIT + 1
    registry.content.put_manifest("team/cache", json.dumps(manifest).encode(), media_type, "1")
    registry.requests.clear()
    watcher = _taken(machines, registry)
    assert "the limit is" in watcher.ends[f"importing cache manifest from {registry.host}/team/cache:1"][1]
    assert not registry.asked("GET", manifest["config"]["digest"])
