from __future__ import annotations

from pathlib import Path

from tests.fakes.engine import World, inside

from carrack.network.mappings import Passage
from carrack.network.option_names import ICC


def apart(world: World) -> None:
    object.__setattr__(world.networks.find("bridge"), "options", {ICC: "false"})


DB = {"ExposedPorts": {"5432/tcp": {}, "53/udp": {}}, "HostConfig": {"NetworkMode": "bridge"}}
WEB = {"HostConfig": {"NetworkMode": "bridge", "Links": ["db:data", "db:store"]}}


def test_a_link_opens_the_targets_ports_where_all_are_closed(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        apart(world)
        db, _ = await world.started("db", DB)
        web, _ = await world.started("web", WEB)
        opened = {
            Passage("172.17.0.3", "172.17.0.2", "tcp", 5432),
            Passage("172.17.0.3", "172.17.0.2", "udp", 53),
        }
        doors = world.fabric.doors
        assert set(doors.open[web.id]) == opened
        assert world.connector.existing()[web.id].passages == tuple(doors.open[web.id])
        await world.lifecycle.stop(db)
        assert world.connector.passages.of(web) == ()
        doors.open.clear()
        await world.lifecycle.start(db)  # by its new address
        assert {p.source for p in doors.open[web.id]} == {"172.17.0.3"}

    inside(tmp_path, test)


def test_where_all_is_open_nothing_is_opened(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        await world.started("db", DB)
        await world.started("web", WEB)
        assert world.fabric.doors.open == {}

    inside(tmp_path, test)
