"""Containers as networks see them."""

from __future__ import annotations

from typing import Any

from tests.fakes.containers import container

from carrack.engine.containers.attached import on_network
from carrack.engine.networks.document import Attached


def test_running_and_paused_ones_are_on_their_networks() -> None:
    web, data = {"NetworkID": "w"}, {"NetworkID": "d"}
    store: Any = [
        container(1, status="running", endpoints={"web": web, "data": data}),
        container(2, status="paused", endpoints={"data": data}),
        container(3, status="exited", endpoints={"web": web}),
        container(4, status="running", endpoints={}),
    ]
    assert on_network(store, "w") == {store[0].id: Attached("name1", web)}
    assert list(on_network(store, "d")) == [store[0].id, store[1].id]
    assert on_network(store, "other") == {}
