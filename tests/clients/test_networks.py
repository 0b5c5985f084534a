"""Networks through docker-py, aiodocker and python-on-whales; those of testcontainers are with its other tests."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess
from tests.clients.packages import OF_OTHERS

pytestmark = [pytest.mark.root, *OF_OTHERS]

SUBNET = "10.198.7.0/24"


@pytest.fixture(autouse=True)
def without_networks(daemon: DaemonProcess) -> Iterator[None]:
    """No network of a test is left for the next."""
    yield
    cli = CommandLine("carrack", daemon)
    if left := cli("ps", "-aq").stdout.split():
        cli("rm", "-fv", *left)
    for name in cli("network", "ls", "-q", "--filter", "type=custom").stdout.split():
        cli("network", "rm", name)


@pytest.mark.census(
    "POST /networks/create", "GET /networks", "GET /networks/{id}", "DELETE /networks/{id}", "POST /networks/prune",
    "POST /networks/{id}/connect", "POST /networks/{id}/disconnect", "NetworkingConfig.EndpointsConfig{}.Aliases",
)  # fmt: skip
def test_docker_py(client: Any, docker: Any) -> None:
    pools = [docker.types.IPAMPool(subnet=SUBNET, gateway="10.198.7.9")]
    front = client.networks.create("front", ipam=docker.types.IPAMConfig(pool_configs=pools), labels={"kind": "py"})
    back = client.networks.create("back", driver="bridge", internal=True)
    wanted = {"front": client.api.create_endpoint_config(ipv4_address="10.198.7.77", aliases=["www"])}
    web = client.containers.run(
        "busybox", "sleep 600", name="web", network="front", networking_config=wanted, detach=True
    )  # fmt: skip
    front.reload()
    assert [one.name for one in front.containers] == ["web"]
    assert front.attrs["Containers"][web.id]["IPv4Address"] == "10.198.7.77/24"
    assert front.attrs["IPAM"]["Config"] == [{"Subnet": SUBNET, "Gateway": "10.198.7.9"}]
    asked = client.containers.run("busybox", "nslookup www", network="front", remove=True)
    assert b"10.198.7.77" in asked
    back.connect(web, aliases=["store"])
    assert b"eth1" in web.exec_run("ip link").output
    assert client.containers.run("busybox", "ping -c1 store", network="back", remove=True)
    assert [one.name for one in client.networks.list(filters={"label": "kind=py"})] == ["front"]
    assert sorted(one.name for one in client.containers.list(filters={"network": "back"})) == ["web"]
    with pytest.raises(docker.errors.APIError) as failure:
        back.connect(web)
    assert failure.value.status_code == 403
    with pytest.raises(docker.errors.APIError, match="has active endpoints"):
        back.remove()
    back.disconnect(web, force=True)
    web.reload()
    assert list(web.attrs["NetworkSettings"]["Networks"]) == ["front"]
    assert client.networks.prune()["NetworksDeleted"] == ["back"]
    web.remove(force=True)
    front.remove()
    with pytest.raises(docker.errors.NotFound):
        client.networks.get("front")


def test_docker_py_s_older_ways(client: Any) -> None:
    """A container-wide MAC address, links, and a name for the network alone."""
    client.networks.create("front")
    mac = "02:00:00:00:00:21"
    assert client.containers.run("busybox", "cat /sys/class/net/eth0/address", network="front", mac_address=mac,
                                 remove=True) == f"{mac}\n".encode()  # fmt: skip
    client.containers.run("busybox", "sleep 600", name="db", detach=True)
    said = client.containers.run("busybox", "sh -c 'env; ping -c1 data'", links={"db": "data"}, remove=True)
    assert b"DATA_NAME=" in said


def test_aiodocker(python_client: Callable[[str], Any], daemon: DaemonProcess, busybox: str) -> None:
    aiodocker = python_client("aiodocker")

    async def scene() -> None:
        client = aiodocker.Docker(url=f"unix://{daemon.socket}")
        try:
            network = await client.networks.create({"Name": "front", "IPAM": {"Config": [{"Subnet": SUBNET}]}})
            body = {"Image": "busybox", "Cmd": ["sleep", "600"]}
            web = await client.containers.run(body, name="web")
            wanted = {"IPAMConfig": {"IPv4Address": "10.198.7.50"}, "Aliases": ["www"]}
            await network.connect({"Container": "web", "EndpointConfig": wanted})
            shown = await web.show()
            assert sorted(shown["NetworkSettings"]["Networks"]) == ["bridge", "front"]
            assert (await network.show())["Containers"][web.id]["IPv4Address"] == "10.198.7.50/24"
            await network.disconnect({"Container": "web"})
            assert (await network.show())["Containers"] == {}
            with pytest.raises(aiodocker.DockerError):
                await network.disconnect({"Container": "web"})
            await web.delete(force=True)
            assert await network.delete()
        finally:
            await client.close()

    asyncio.run(asyncio.wait_for(scene(), 60))


@pytest.mark.docker_cli
def test_python_on_whales(
    python_client: Callable[[str], Any], daemon: DaemonProcess, busybox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whales = python_client("python_on_whales")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    docker = whales.DockerClient(host=f"unix://{daemon.socket}", client_call=[shutil.which("docker")])
    front = docker.network.create("front", subnet=SUBNET, labels={"kind": "whales"})
    back = docker.network.create("back")
    web = docker.run(
        "busybox", ["sleep", "600"], detach=True, name="web", networks=["front"], network_aliases=["www"],
        ip="10.198.7.20",
    )  # fmt: skip
    assert web.network_settings.networks["front"].ip_address == "10.198.7.20"
    docker.network.connect(back, web, alias="store")
    web.reload()
    assert sorted(web.network_settings.networks) == ["back", "front"]
    assert "10.198.7.20" in docker.run("busybox", ["nslookup", "www"], networks=["front"], remove=True)
    front.reload()
    assert front.containers[web.id].name == "web"
    docker.network.disconnect(back, web)
    assert [one.name for one in docker.network.list(filters={"label": "kind=whales"})] == ["front"]
    docker.network.prune(filters={"label!": "kind=whales"})
    assert not back.exists()
    web.remove(force=True)
    front.remove()
