from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.fakes import plugin as fake

from carrack.engine.plugins.registry import Plugins
from carrack.errors import NotFound, Unavailable


def test_plugins_are_found_and_remembered(tmp_path: Path) -> None:
    async def play() -> None:
        plugins = Plugins([str(tmp_path)], patience=0)
        assert plugins.activated("VolumeDriver") == []
        found = await plugins.get("one", "VolumeDriver")
        assert await plugins.get("one", "VolumeDriver") is found
        assert plugins.activated("VolumeDriver") == ["one"]
        with pytest.raises(NotFound, match='"one" does not implement authz'):
            await plugins.get("one", "authz")
        with pytest.raises(NotFound, match='plugin "nosuch" not found'):
            await plugins.get("nosuch", "VolumeDriver")

    with fake.Plugin(tmp_path / "one.sock", tmp_path / "v") as server:
        asyncio.run(play())
    assert len(server.called("Plugin.Activate")) == 1


def test_all_of_a_kind(tmp_path: Path) -> None:
    async def play() -> None:
        (tmp_path / "down.spec").write_text(f"unix://{tmp_path}/nosuch")
        plugins = Plugins([str(tmp_path)], patience=0)
        found, warnings = await plugins.all("VolumeDriver")
        assert [plugin.name for plugin in found] == ["one"]
        assert len(warnings) == 1
        assert warnings[0].startswith("plugin down: ")

    with (
        fake.Plugin(tmp_path / "one.sock", tmp_path / "v"),
        fake.Plugin(tmp_path / "guard.sock", tmp_path / "v", ("authz",)),
    ):
        asyncio.run(play())


def test_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    async def play() -> None:
        plugins = Plugins([str(tmp_path)], patience=0)
        with fake.Plugin(tmp_path / "one.sock", tmp_path / "v"):
            await plugins.get("one", "VolumeDriver")
        with pytest.raises(NotFound):
            await plugins.get("one", "VolumeDriver")
        assert plugins.activated("VolumeDriver") == []
        (tmp_path / "one.spec").write_text(f"unix://{tmp_path}/nosuch")
        with pytest.raises(Unavailable):
            await plugins.get("one", "VolumeDriver")

    asyncio.run(play())
