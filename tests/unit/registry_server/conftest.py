"""Our registry over a folder, without or behind a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.own_registry import Client, OwnRegistry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OwnRegistry]:
    made = OwnRegistry(tmp_path / "registry")
    yield made
    made.close()


@pytest.fixture
def client(registry: OwnRegistry) -> Iterator[Client]:
    made = registry.client()
    yield made
    made.http.close()
