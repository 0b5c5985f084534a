"""Another name, other limits, other ports, fewer links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import World, inside

from carrack.errors import CarrackError, Conflict, Internal, InvalidArgument, NotFound

BRIDGE = {"HostConfig": {"NetworkMode": "bridge"}}


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("", InvalidArgument, "Neither old nor new names may be empty"),
        ("a", InvalidArgument, "Invalid container name"),
        ("web", InvalidArgument, "Renaming a container with the same name as its current name"),
        ("other", Conflict, "already in use by container"),
    ],
)
def test_names_not_to_be_had(tmp_path: Path, name: str, kind: type[CarrackError], text: str) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        await world.create("other")
        with pytest.raises(kind, match=text):
            await world.changes.rename(c, name)
        assert c.name == "web"

    inside(tmp_path, test)


def test_rename(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create()
        world.records.broken = OSError("no space")
        with pytest.raises(OSError, match="no space"):
            await world.changes.rename(c, "/new")
        await world.changes.rename(c, "/new")
        assert world.store.find("new") is c
        assert world.events.seen[-1][1:] == ("rename", c.id, {"image": "busybox", "name": "new", "oldName": "/web"})
        await world.create("web")

    inside(tmp_path, test)


def test_update_changes_what_is_given_and_the_running_program(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", {"HostConfig": {"CpuShares": 5}})
        policy = {"Name": "on-failure", "MaximumRetryCount": 3}
        assert await world.changes.update(c, {"Memory": 64 << 20, "RestartPolicy": policy}) == []
        assert c.host_config["Memory"] == 64 << 20
        assert c.host_config["CpuShares"] == 5
        assert c.host_config["RestartPolicy"] == policy
        limits = shim.calls[-1][1]
        assert limits["memory"]["limit"] == 64 << 20
        assert "devices" not in limits

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("before", "body", "kind", "text"),
    [
        ({}, {"Memory": 1}, InvalidArgument, "Minimum memory limit allowed is 6MB"),
        (
            {"Memory": 64 << 20}, {"Memory": 640 << 20}, Conflict,
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        (
            {"AutoRemove": True}, {"RestartPolicy": {"Name": "always"}}, InvalidArgument,
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ),
        ({}, {"RestartPolicy": {"Name": "foo"}}, InvalidArgument, "invalid restart policy: unknown policy 'foo'"),
        (
            {}, {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 2}}, InvalidArgument,
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ),
        ({}, {"CpuCount": 3}, InvalidArgument, "CpuCount is not supported"),
    ],
)  # fmt: skip
def test_updates_that_make_no_sense_change_nothing(
    tmp_path: Path, before: dict[str, Any], body: dict[str, Any], kind: type[CarrackError], text: str
) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"HostConfig": before})
        recorded = dict(c.host_config)
        with pytest.raises(kind) as failure:
            await world.changes.update(c, body)
        assert str(failure.value).removeprefix(f"Cannot update container {c.id}: ").startswith(text)
        assert c.host_config == recorded

    inside(tmp_path, test)


def test_an_update_that_the_kernel_refuses_is_not_recorded(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started()

        async def refuse(resources: object) -> None:
            raise OSError("device or resource busy")

        shim.update = refuse  # type: ignore[method-assign]
        with pytest.raises(Internal, match=r"Cannot update container .*busy"):
            await world.changes.update(c, {"Memory": 64 << 20})
        assert c.host_config["Memory"] == 0

    inside(tmp_path, test)


def test_a_container_is_found_by_its_new_name(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, _ = await world.started("web", {"HostConfig": {"NetworkMode": "front"}})
        await world.changes.rename(c, "site")
        assert c.endpoints["front"]["DNSNames"] == ["site", c.id[:12]]
        assert world.resolver.names["1" * 64, c.id][0] == ("site", c.id[:12])
        world.records.broken = OSError("no space")
        with pytest.raises(OSError, match="no space"):
            await world.changes.rename(c, "other")
        assert c.endpoints["front"]["DNSNames"] == ["site", c.id[:12]]

    inside(tmp_path, test)


def test_links_follow_names_and_can_be_removed(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        db, _ = await world.started("db", BRIDGE)
        links = {"HostConfig": {"NetworkMode": "bridge", "Links": ["db:data", "db"]}}
        web, _ = await world.started("web", links)
        assert list(db.link_names) == ["web/data", "web/db"]
        assert world.store.find("web/data") is db
        await world.changes.rename(web, "site")
        assert list(db.link_names) == ["site/data", "site/db"]
        await world.changes.unlink("site/data")
        assert [*db.link_names, *web.host_config["Links"]] == ["site/db", f"{db.id}:db"]
        hosts = Path(world.paths.file(web.id, "hosts")).read_text()
        assert "data" not in hosts
        assert f"172.17.0.2\tdb {db.id[:12]}\n" in hosts
        with pytest.raises(NotFound, match="No such container: site/data"):
            await world.changes.unlink("site/data")
        world.records.broken = OSError("no space")
        with pytest.raises(OSError, match="no space"):
            await world.changes.unlink("site/db")
        assert web.host_config["Links"] == [f"{db.id}:db"]
        await world.remover.remove(web, kill=world.lifecycle.kill, force=True)
        assert list(db.link_names) == []

    inside(tmp_path, test)


def test_ports_and_limits_change_together_or_not_at_all(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, _ = await world.started("web", BRIDGE)
        before = dict(c.host_config)
        world.records.broken = OSError("no space")
        body = {"CpuShares": 7, "PublishAdd": {"80": [{"HostPort": "8080"}]}}
        with pytest.raises(OSError, match="no space"):
            await world.changes.update(c, body)
        assert (c.host_config, c.ports, world.fabric.ports[c.id]) == (before, {}, {})
        await world.changes.update(c, body)
        assert c.host_config["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
        assert c.ports == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
        assert c.host_config["CpuShares"] == 7

    inside(tmp_path, test)
