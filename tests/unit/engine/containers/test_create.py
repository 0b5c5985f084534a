"""Creating: all checked before anything is made, everything undone when something fails."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeImage
from tests.fakes.engine import World, inside

from carrack.engine.containers.record import Container
from carrack.errors import CarrackError, Conflict, InvalidArgument, NotFound
from carrack.linux.selinux import Contexts


def trace(world: World) -> tuple[Any, ...]:
    """Everything that creating a container may leave."""
    directory = world.paths.data("")
    return (
        len(world.store),
        dict(world.store.names),
        os.listdir(directory) if os.path.isdir(directory) else [],
        world.snapshots.keys(),
        [v.name for v in world.volumes.recorded],
        world.records.rows["container"],
    )


def test_a_container_is_recorded_with_all_it_needs(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"Volumes": {"/data": {}}, "Labels": {"a": "b"}})
        assert world.store.find("web") is c
        assert c.config["Hostname"] == c.id[:12]
        assert c.state.status == "created"
        assert c.path == "sh"
        assert list(c.endpoints) == ["none"]
        assert world.snapshots.keys() == [c.id]
        assert c.mounts[0]["Destination"] == "/data"
        assert oct(os.stat(world.paths.data(c.id)).st_mode)[-3:] in ("710", "700", "750")
        last = world.events.seen[-1]
        assert last == ("container", "create", c.id, {"a": "b", "image": "busybox", "name": "web"})

    inside(tmp_path, test)


def test_a_slot_that_waits_under_an_id_gives_it(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        asked: list[tuple[tuple[str, ...], bool]] = []
        world.creator._waiting = lambda names, cable: asked.append((names, cable)) or "ab" * 32  # type: ignore[func-returns-value]
        assert (await world.create("web")).id == "ab" * 32
        assert (await world.create("apart", {"HostConfig": {"CgroupParent": "/apart"}})).id != "ab" * 32
        assert [(set(names) >= {"mount", "pid"}, cable) for names, cable in asked] == [(True, False)]
        world.creator._waiting = lambda names, cable: None
        assert len((await world.create("later")).id) == 64

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("name", "body", "kind", "text"),
    [
        ("web", {"Image": ""}, InvalidArgument, "no image specified"),
        ("web", {"Image": "gone"}, NotFound, "No such image: gone"),
        ("w", {}, InvalidArgument, "Invalid container name (w)"),
        ("web", {"Hostname": 5}, InvalidArgument, "invalid JSON: json: cannot unmarshal number into"),
        ("web", {"HostConfig": {"Memory": 1}}, InvalidArgument, "Minimum memory limit allowed is 6MB"),
        ("web", {"HostConfig": {"CapAdd": ["FOO"]}}, InvalidArgument, "invalid CapAdd"),
        ("web", {"HostConfig": {"SecurityOpt": ["foo"]}}, InvalidArgument, "invalid --security-opt 1"),
        ("web", {"HostConfig": {"Devices": [{"PathOnHost": "/no"}]}}, InvalidArgument, "error gathering device"),
        ("web", {"HostConfig": {"Ulimits": [{"Name": "foo"}]}}, InvalidArgument, "invalid ulimit type: foo"),
        ("web", {"HostConfig": {"ExtraHosts": ["foo"]}}, InvalidArgument, "bad format for add-host"),
        ("web", {"HostConfig": {"Init": True}}, InvalidArgument, "--init needs a static init"),
        ("web", {"HostConfig": {"PidMode": "container:nope"}}, InvalidArgument, "No such container: nope"),
        ("web", {"HostConfig": {"NetworkMode": "container:"}}, InvalidArgument, "invalid network mode: invalid"),
        ("web", {"HostConfig": {"PortBindings": {"x": []}}}, InvalidArgument, "invalid port specification"),
        ("web", {"HostConfig": {"VolumesFrom": ["nope"]}}, InvalidArgument, "No such container: nope"),
        ("web", {"HostConfig": {"Binds": ["v1:/a", "v1:/a"]}}, InvalidArgument, "Duplicate mount point: /a"),
        ("web", {"StopSignal": "FOO"}, InvalidArgument, "invalid signal: FOO"),
    ],
)  # fmt: skip
def test_a_refusal_leaves_nothing(
    tmp_path: Path, name: str, body: dict[str, Any], kind: type[CarrackError], text: str
) -> None:
    async def test(world: World) -> None:
        before = trace(world)
        with pytest.raises(kind) as failure:
            await world.create(name, body)
        assert str(failure.value).startswith(text)
        named = [v.name for v in world.volumes.recorded]
        for volume in named:  # one that the user named stays, as with Docker
            found = world.volumes.known(volume)
            assert found is not None
            assert not found.anonymous
            await world.volumes.remove(volume)
        assert trace(world) == before

    inside(tmp_path, test)


def test_labels_have_a_level_that_no_other_container_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        plain = await world.create("plain", {"HostConfig": {"Privileged": True}})
        assert (plain.process_label, plain.mount_label) == ("", "")
        assert plain.host_config["SecurityOpt"] == ["label=disable"]
        given = replace(world.creator._facts.given, selinux=Contexts("u:r:p:s0", "u:r:f:s0", "u:r:f:s0"))
        world.creator.use(world.creator._facts._replace(given=given))
        drawn = iter([1, 2, 2, 1, 3, 4])
        monkeypatch.setattr("secrets.randbelow", lambda limit: next(drawn))
        first, second = await world.create("first"), await world.create("second")
        assert (first.process_label, first.mount_label) == ("u:r:p:s0:c1,c2", "u:r:f:s0:c1,c2")
        assert second.mount_label == "u:r:f:s0:c3,c4"
        assert Container.from_document(first.to_document()).mount_label == first.mount_label
        assert not world.creator._levels

    inside(tmp_path, test)


@pytest.mark.parametrize("where", ["snapshot", "record"])
def test_a_failure_half_way_is_undone(tmp_path: Path, where: str) -> None:
    async def test(world: World) -> None:
        before = trace(world)
        if where == "snapshot":
            world.snapshots.failure = OSError("no space")
        else:
            real = world.store.add

            async def broken(container: Any) -> None:
                raise OSError("no space")

            world.store.add = broken  # type: ignore[method-assign]
        with pytest.raises(OSError, match="no space"):
            await world.create("web", {"Volumes": {"/data": {}}})
        assert trace(world) == before
        if where == "record":
            world.store.add = real  # type: ignore[method-assign]
        world.snapshots.failure = None
        await world.create("web")

    inside(tmp_path, test)


def test_names_are_unique_and_invented(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        first = await world.create("web")
        with pytest.raises(Conflict, match=f'The container name "/web" is already in use by container "{first.id}"'):
            await world.create("/web")
        other = await world.create("")
        assert "_" in other.name

    inside(tmp_path, test)


def test_a_shared_network_is_kept_by_id_and_gives_the_hostname(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        first = await world.create("first", {"Hostname": "alpha"})
        second = await world.create(
            "second", {"HostConfig": {"NetworkMode": "container:first", "PidMode": "container:first"}}
        )
        assert second.host_config["NetworkMode"] == second.host_config["PidMode"] == "container:" + first.id
        assert second.config["Hostname"] == "alpha"
        assert second.endpoints == {}
        host = await world.create("third", {"HostConfig": {"NetworkMode": "host"}})
        assert host.config["Hostname"] == os.uname().nodename

    inside(tmp_path, test)


def test_published_ports_on_the_hosts_network_are_warned_of(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        body = {"Image": "busybox", "HostConfig": {"NetworkMode": "host", "PortBindings": {"80": []}}}
        _, warnings = await world.creator.create("web", body)
        assert "Published ports are discarded when using host network mode" in warnings

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("platform", "fits"),
    [
        ("", True),
        ("linux", True),
        ("linux/amd64", True),
        ("amd64", True),
        ("linux/x86_64", True),
        ("linux/arm64", False),
    ],
)
def test_platforms(tmp_path: Path, platform: str, fits: bool) -> None:
    async def test(world: World) -> None:
        body = {"Image": "busybox", "HostConfig": {"NetworkMode": "none"}}
        if fits:
            await world.creator.create("web", body, platform)
        else:
            with pytest.raises(NotFound, match="does not match the specified platform"):
                await world.creator.create("web", body, platform)

    inside(tmp_path, test)


def test_the_images_words_complete_the_users(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.images.images["app"] = FakeImage({"Entrypoint": ["/app"], "Env": ["A=1"], "Volumes": {"/v": {}}})
        c = await world.create("web", {"Image": "app", "Cmd": ["x"]})
        assert (c.path, c.args) == ("/app", ["x"])
        assert "A=1" in c.config["Env"]
        assert [p["Destination"] for p in c.mounts] == ["/v"]

    inside(tmp_path, test)
