"""The list of containers, for every version and with the fields that were asked for."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.containers import FakeRecords, container

from carrack.api.request import Query
from carrack.api.routes.containers import routes
from carrack.engine.containers.store import ContainerStore
from carrack.errors import InvalidArgument


def listed(query: str, version: tuple[int, int] = (1, 51)) -> Any:
    records: Any = FakeRecords()
    store = ContainerStore(records)
    for number, status in ((1, "exited"), (2, "running")):
        c = container(number, status=status, started_at=1)
        c.image_manifest = {"digest": "sha256:" + "a" * 64}
        store.reserve(c.name, c.id)
        asyncio.run(store.add(c))
    services: Any = SimpleNamespace(store=store)
    request: Any = SimpleNamespace(query=Query(query), version=version)
    handler: Any = routes(services)[0].handler
    answer: Any = asyncio.run(handler(request))
    return json.loads(answer.body)


@pytest.mark.parametrize("query", ["all=1", "all=1&limit=5", 'filters={"status":["running","exited"]}'])
def test_only_the_fields_that_are_wanted(query: str) -> None:
    assert listed(f"{query}&fields=Names,State") == [
        {"Names": ["/name2"], "State": "running"},
        {"Names": ["/name1"], "State": "exited"},
    ]
    assert "HostConfig" in listed(query)[0]
    with pytest.raises(InvalidArgument, match="no 'Nam' in the list of containers"):
        listed(f"{query}&fields=Nam")


def test_fields_and_sizes_are_not_for_one_request() -> None:
    with pytest.raises(InvalidArgument, match="leave out either fields or size"):
        listed("size=1&fields=Id")


@pytest.mark.parametrize("query", ["", "limit=1"])
def test_older_versions_know_nothing_of_manifests(query: str) -> None:
    assert "ImageManifestDescriptor" in listed(query, (1, 48))[0]
    assert "ImageManifestDescriptor" not in listed(query, (1, 47))[0]
