"""The files that tell a container its names."""

from __future__ import annotations

import os
from pathlib import Path

from tests.fakes.containers import container

from carrack.engine.containers import endpoints
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.containers.name_files import NameFiles, own_entries
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container


def files(folder: Path, given: ContainerDefaults | None = None) -> tuple[NameFiles, Paths]:
    paths = Paths(str(folder / "data"), str(folder / "run"))
    return NameFiles(paths, "172.17.0.1", given), paths


def placed(c: Container, network: str, *addresses: str) -> Container:
    wanted = endpoints.wanted()
    given = dict(zip(("IPAddress", "GlobalIPv6Address"), addresses, strict=False))
    c.networking = {"EndpointsConfig": {**(c.wanted if c.endpoints else {}), network: wanted}}
    c.endpoints = {**c.endpoints, network: endpoints.connected(endpoints.shown(wanted), given)}
    return c


def test_they_are_bound_where_the_user_has_nothing_of_his_own(tmp_path: Path) -> None:
    made, paths = files(tmp_path)
    host = {"NetworkMode": "container:" + "9" * 64, "Tmpfs": {"/etc/hosts": ""}, "ReadonlyRootfs": True}
    mounts = made.mounts(container(1, {"HostConfig": host}))
    assert [mount["destination"] for mount in mounts] == ["/etc/resolv.conf", "/etc/hostname"]
    assert {mount["source"] for mount in mounts} == {paths.file("9" * 64, n) for n in ("resolv.conf", "hostname")}
    assert all("ro" in mount["options"] for mount in mounts)


def test_every_address_has_its_line(tmp_path: Path) -> None:
    made, paths = files(tmp_path, ContainerDefaults(gateways=("10.0.0.9", "fd00::9")))
    c = container(1, {"Hostname": "web", "HostConfig": {"ExtraHosts": ["up:host-gateway"]}}, endpoints={})
    placed(placed(c, "front", "10.77.1.2", "fd00:77::2"), "bridge", "172.17.0.2")
    assert own_entries(c) == [("172.17.0.2", "web"), ("10.77.1.2", "web"), ("fd00:77::2", "web")]
    made.prepare(c)
    path = Path(paths.file(c.id, "hosts"))
    inode = os.stat(path).st_ino
    made.hosts(c, [("172.17.0.9", "db dbhost")])
    assert path.read_text().splitlines()[-6:] == [
        "10.0.0.9\tup", "fd00::9\tup", "172.17.0.9\tdb dbhost", "172.17.0.2\tweb", "10.77.1.2\tweb", "fd00:77::2\tweb",
    ]  # fmt: skip
    path.write_text(path.read_text() + "10.1.1.1 edited\n")
    del c.endpoints["front"]
    made.change_hosts(c, [], {"db"})
    assert path.read_text().splitlines()[-4:] == ["10.0.0.9\tup", "fd00::9\tup", "10.1.1.1 edited", "172.17.0.2\tweb"]
    assert os.stat(path).st_ino == inode


def test_without_a_network_the_files_are_whole_at_once(tmp_path: Path) -> None:
    made, paths = files(tmp_path)
    c = container(1, {"Hostname": "web", "HostConfig": {"NetworkMode": "none"}})
    made.prepare(c)
    assert Path(paths.file(c.id, "hosts")).read_text().startswith("127.0.0.1\tlocalhost\n")
    assert Path(paths.file(c.id, "hostname")).read_text() == "web\n"
    assert "nameserver" in Path(paths.file(c.id, "resolv.conf")).read_text()
    shared = container(2, {"HostConfig": {"NetworkMode": "container:x"}})
    made.prepare(shared)
    assert not os.path.exists(paths.data(shared.id))


def test_the_hosts_network_has_the_hosts_file(tmp_path: Path) -> None:
    made, paths = files(tmp_path)
    c = container(1, {"HostConfig": {"NetworkMode": "host"}})
    made.prepare(c)
    assert Path(paths.file(c.id, "hosts")).read_text() == Path("/etc/hosts").read_text()
