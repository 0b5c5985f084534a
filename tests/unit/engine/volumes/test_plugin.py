"""A plugin as a driver, and what of its answers is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import plugin as fake

from carrack.engine.plugins.client import Plugin
from carrack.engine.volumes.plugin import PluginDriver
from carrack.engine.volumes.volume import About, Volume
from carrack.errors import CarrackError, Internal, NotFound
from carrack.http.outgoing import Peer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[fake.Plugin]:
    with fake.Plugin(tmp_path / "p.sock", tmp_path / "volumes") as running:
        yield running


def driver(server: fake.Plugin) -> PluginDriver:
    return PluginDriver(Plugin("plug", Peer(path=str(server.socket)), patience=0))


VOLUME = Volume("data", 1, driver="plug")


def test_the_life_of_a_volume(server: fake.Plugin) -> None:
    async def play() -> None:
        one = driver(server)
        await one.create("data", {"a": "b"})
        place = str(server.root / "data")
        assert await one.about(VOLUME) == About(place, "0001-01-01T00:00:00Z", {"kept": "well"})
        assert await one.names() == {"data": About(place, "0001-01-01T00:00:00Z")}
        assert await one.mount(VOLUME, "holder") == place
        await one.unmount(VOLUME, "holder", last=True)
        await one.remove(VOLUME)
        with pytest.raises(NotFound, match="no volume data here"):
            await one.about(VOLUME)

    asyncio.run(play())
    assert server.calls[0] == ("VolumeDriver.Create", {"Name": "data", "Opts": {"a": "b"}})
    assert server.called("VolumeDriver.Mount") == [{"Name": "data", "ID": "holder"}]


@pytest.mark.parametrize(
    ("answer", "scope"),
    [
        ({"Capabilities": {"Scope": "global"}}, "global"),
        ({"Capabilities": {"Scope": "GLOBAL"}}, "global"),
        ({"Capabilities": {"Scope": "universal"}}, "local"),
        ({"Capabilities": "x"}, "local"),
        ({}, "local"),
        (404, "local"),
    ],
)
def test_scopes(server: fake.Plugin, answer: Any, scope: str) -> None:
    server.answers["VolumeDriver.Capabilities"] = answer
    assert asyncio.run(driver(server).learn()).scope == scope


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"Err": "no room"}, "no room"),
        ({"Mountpoint": ""}, "is no absolute path"),
        ({"Mountpoint": "relative/x"}, "'relative/x' is no absolute path"),
        ({"Mountpoint": 5}, "is no text"),
        ({"Mountpoint": "/a\0b"}, "is no text"),
        ({}, "is no absolute path"),
        (500, "VolumeDriver.Mount: refused"),
    ],
)
def test_mountpoints_that_are_not_believed(server: fake.Plugin, answer: Any, told: str) -> None:
    server.answers["VolumeDriver.Mount"] = answer
    with pytest.raises(Internal) as failure:
        asyncio.run(driver(server).mount(VOLUME, "holder"))
    assert told in str(failure.value)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ({"Volumes": None}, []),
        ({"Volumes": [{"Name": "a"}, {"Name": 5}, "x", {"Name": ""}, {"Name": "x" * 300}]}, ["a"]),
    ],
)
def test_lists(server: fake.Plugin, answer: Any, names: list[str]) -> None:
    server.answers["VolumeDriver.List"] = answer
    assert list(asyncio.run(driver(server).names())) == names


@pytest.mark.parametrize("answer", [{"Volumes": "x"}, {"Volumes": [{"Name": "a", "Mountpoint": []}]}, b"[]"])
def test_lists_that_are_none(server: fake.Plugin, answer: Any) -> None:
    server.answers["VolumeDriver.List"] = answer
    with pytest.raises(CarrackError):
        asyncio.run(driver(server).names())


@pytest.mark.parametrize("answer", [{"Volume": None}, {"Volume": "x"}, {}])
def test_volumes_that_are_none(server: fake.Plugin, answer: Any) -> None:
    server.answers["VolumeDriver.Get"] = answer
    with pytest.raises(NotFound):
        asyncio.run(driver(server).about(VOLUME))
