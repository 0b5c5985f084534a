"""Containers and networks put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import container, run
from tests.fakes.engine import World

from carrack.daemon.wiring_networks import join
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.network.plan import Subnet


@pytest.mark.parametrize(("bridge", "address"), [(True, "172.17.0.1"), (False, "")])
def test_the_host_is_where_the_default_bridge_is(tmp_path: Path, bridge: bool, address: str) -> None:
    async def main() -> None:
        world: Any = World(tmp_path)
        if not bridge:
            world.networks.remove("bridge")
        else:
            object.__setattr__(world.networks.find("bridge"), "subnets", (Subnet("172.17.0.0/16", "172.17.0.1"),))
        db = await world.create("db")
        web = await world.create("web")
        web.host_config["Links"] = [f"{db.id}:data"]
        joining = join(
            world.fabric, world.networks, world.resolver, world.store, world.events, world.paths, ContainerDefaults(),
            None,
        )  # fmt: skip
        assert list(db.link_names) == ["web/data"]
        c = container(1, {"HostConfig": {"ExtraHosts": ["up:host-gateway"]}}, endpoints={})
        joining.connector.files.prepare(c)
        joining.connector.files.hosts(c)
        assert f"{address}\tup\n" in Path(world.paths.file(c.id, "hosts")).read_text()
        await joining.changes(world.store, world.events, frozenset()).rename(web, "site")
        assert list(db.link_names) == ["site/data"]
        await world.close()

    run(main)
