"""The daemon is killed while networks come and go: the next one has in the kernel what it has on record, no more, and
containers on several networks go on."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.faults.api import Api

from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.network.marks import network_of

pytestmark = pytest.mark.root

STRIKES = 6
MANY = int(os.environ.get("CARRACK_TEST_MANY", "30"))
"""Containers on ten networks; 100 in the long run."""
_NUMBERS = itertools.count()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    made = DaemonProcess(tmp_path)
    number = made.subnet.split(".")[2]
    pools = [{"base": f"10.{190 + int(number) % 9}.0.0/16", "size": 26}]
    (tmp_path / "daemon.json").write_text(json.dumps({"default-address-pools": pools}))
    made.start()
    ours = CommandLine("carrack", made)
    try:
        ours("image", "bootstrap", "busybox")
        yield made
    finally:
        if made.died:
            made.start()
        ours("rm", "-f", "one", "two", check=False)
        made.stop()
        assert in_kernel(made) == {}


def in_kernel(daemon: DaemonProcess) -> dict[str, str]:
    """The daemon's interfaces by the ids of their networks."""
    with Netlink() as host:
        marked = [(network_of(link.alias, daemon.table), link.name) for link in rtnetlink.links(host)]
    return {network: name for network, name in marked if network}


def on_record(api: Api) -> set[str]:
    return {network["Id"] for network in api.listed("/networks") if network["Driver"] == "bridge"}


class Churn:
    """Networks that are made and removed as fast as the daemon does it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(3)]
        for thread in self._threads:
            thread.start()

    def _work(self, number: int) -> None:
        kept: list[str] = []
        while not self._over.is_set():
            answer = self._api("POST", "/networks/create", {"Name": f"churn-{number}-{next(_NUMBERS)}"})
            if answer.status == 201:
                kept.append(answer.json()["Id"])
            if len(kept) > 2:
                self._api("DELETE", f"/networks/{kept.pop(0)}")

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_kernel_and_record_agree_after_every_kill(daemon: DaemonProcess) -> None:
    api, ours = Api(daemon.socket), CommandLine("carrack", daemon)
    for name in ("front", "back"):
        ours("network", "create", name)
    ours("run", "-d", "--name", "one", "--network", "front", "busybox", "sleep", "1000")
    ours("network", "connect", "back", "one")
    dice = random.Random(7)
    for _ in range(STRIKES):
        churn = Churn(api)
        time.sleep(dice.uniform(0.05, 0.5))
        daemon.crash()
        churn.stop()
        daemon.start()
        eventually(lambda: set(in_kernel(daemon)) == on_record(api))
        assert not [name for name in in_kernel(daemon).values() if name.startswith("gone")]
    for network in api.listed("/networks"):
        if network["Name"].startswith("churn"):
            assert api("DELETE", f"/networks/{network['Id']}").status == 204
    for name in ("front", "back"):
        ours("run", "--rm", "--network", name, "busybox", "ping", "-c", "1", "-W", "2", "one")
    ours("network", "disconnect", "back", "one")
    listed = ours("exec", "one", "ip", "-o", "link").stdout
    assert ("eth0" in listed, "eth1" in listed) == (True, False)


def test_a_bridge_deleted_while_no_daemon_runs_gets_its_cables_back(daemon: DaemonProcess) -> None:
    ours = CommandLine("carrack", daemon)
    for name in ("front", "back"):
        ours("network", "create", name)
    ours("run", "-d", "--name", "one", "--network", "front", "busybox", "sleep", "1000")
    ours("network", "connect", "back", "one")
    daemon.crash()
    for name in in_kernel(daemon).values():
        if name.startswith("br-"):
            subprocess.run(["ip", "link", "delete", name], check=True)
    daemon.start()
    for name in ("front", "back"):
        ours("run", "--rm", "--network", name, "busybox", "ping", "-c", "1", "-W", "2", "one")


def test_interfaces_and_record_agree_after_every_kill(daemon: DaemonProcess) -> None:
    """Killed while a container joins and leaves networks, which the record tells of after it is done."""
    api, ours = Api(daemon.socket), CommandLine("carrack", daemon)
    for name in ("front", "back", "side"):
        ours("network", "create", name)
    ours("run", "-d", "--name", "one", "--network", "front", "busybox", "sleep", "1000")

    def wander() -> None:
        while not over.is_set():
            for name in ("back", "side"):
                api("POST", f"/networks/{name}/connect", {"Container": "one"})
            for name in ("back", "side"):
                api("POST", f"/networks/{name}/disconnect", {"Container": "one"})

    dice = random.Random(11)
    for _ in range(STRIKES):
        over = threading.Event()
        thread = threading.Thread(target=wander)
        thread.start()
        time.sleep(dice.uniform(0.02, 0.4))
        daemon.crash()
        over.set()
        thread.join()
        daemon.start()
        networks = api.listed("/containers/one/json")["NetworkSettings"]["Networks"].values()
        addresses = ours("exec", "one", "ip", "-o", "-4", "addr").stdout
        assert addresses.count(": eth") == len(networks), (addresses, networks)
        assert all(f" {network['IPAddress']}/" in addresses for network in networks)
        routes = ours("exec", "one", "ip", "route").stdout
        assert routes.count("default via") == 1, routes


def test_a_hundred_containers_on_ten_networks_leave_nothing(daemon: DaemonProcess) -> None:
    """As many as `MANY` says."""
    api = Api(daemon.socket)
    before = in_kernel(daemon)

    def networks(number: int) -> str:
        answer = api("POST", "/networks/create", {"Name": f"many-{number}"})
        assert answer.status == 201, answer
        return str(answer.json()["Id"])

    def container(number: int) -> str:
        host = {"NetworkMode": f"many-{number % 10}"}
        config: Any = {"EndpointsConfig": {f"many-{n % 10}": {} for n in (number, number + 1)}}
        body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": host, "NetworkingConfig": config}
        identity = str(api("POST", f"/containers/create?name=many-{number}", body).json()["Id"])
        answer = api("POST", f"/containers/{identity}/start")
        assert answer.status == 204, answer
        return identity

    with ThreadPoolExecutor(8) as workers:
        made = list(workers.map(networks, range(10)))
        running = list(workers.map(container, range(MANY)))
        cables = sum(len(os.listdir(f"/sys/class/net/{in_kernel(daemon)[one]}/brif")) for one in made)
        assert cables == 2 * MANY
        addresses = [
            network["IPAddress"]
            for one in running
            for network in api.listed(f"/containers/{one}/json")["NetworkSettings"]["Networks"].values()
        ]
        assert len(set(addresses)) == len(addresses) == 2 * MANY
        for answer in workers.map(lambda one: api("DELETE", f"/containers/{one}?force=1"), running):
            assert answer.status == 204, answer
        for answer in workers.map(lambda one: api("DELETE", f"/networks/{one}"), made):
            assert answer.status == 204, answer
    eventually(lambda: in_kernel(daemon) == before)
