"""Disk usage: only what is asked for is measured."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carrack.engine.system.usage import DiskUsage, Sources
from carrack.errors import InvalidArgument


def usage(asked: list[str]) -> DiskUsage:
    async def listing(kind: str) -> list[dict[str, Any]]:
        asked.append(kind)
        return [{"Kind": kind}]

    async def layers() -> int:
        return 7

    return DiskUsage(
        Sources(
            lambda: listing("image"),
            lambda: listing("container"),
            lambda: listing("volume"),
            lambda: listing("build"),
            layers,
        )
    )


def test_everything_by_default() -> None:
    asked: list[str] = []
    assert asyncio.run(usage(asked).measure()) == {
        "LayersSize": 7,
        "Images": [{"Kind": "image"}],
        "Containers": [{"Kind": "container"}],
        "Volumes": [{"Kind": "volume"}],
        "BuildCache": [{"Kind": "build"}],
    }


def test_only_the_kinds_asked_for() -> None:
    asked: list[str] = []
    document = asyncio.run(usage(asked).measure(["volume"]))
    assert asked == ["volume"]
    assert (document["Images"], document["Containers"], document["BuildCache"]) == (None, None, None)
    assert document["LayersSize"] == 0


def test_an_unknown_kind_is_refused_before_any_work() -> None:
    asked: list[str] = []
    with pytest.raises(InvalidArgument, match="unknown object type: foo"):
        asyncio.run(usage(asked).measure(["image", "foo"]))
    assert asked == []
