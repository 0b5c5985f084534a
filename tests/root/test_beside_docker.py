"""Beside Docker's firewall, which drops by policy what it does not forward: made with nft, and by a real dockerd.

The real one comes from a root file system of other engines (``CARRACK_PEERS``); it runs in the network of the test.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.root.netns import ask, echo, own_network
from tests.root.site import HOST, HOST6, OUTSIDE, OUTSIDE6, TABLE, Container, Site, network, on_site, until

from carrack.linux.nft_expressions import IPV4
from carrack.linux.nftables import Nftables

pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("nft"), reason="the nft program is not installed")]

ONE, TWO = network(1, ipv6=True), network(2)
BRIDGE = ONE.options["com.docker.network.bridge.name"]
_PEERS = Path(os.environ.get("CARRACK_PEERS", "/opt/peers")) / "root"

#: What iptables-nft holds after dockerd 28 has started, in as far as it matters
_DOCKER = """
table {family} filter {{
  chain DOCKER-USER {{ }}
  chain DOCKER {{ iifname != "docker0" oifname "docker0" counter drop; }}
  chain DOCKER-FORWARD {{
    oifname "docker0" ct state established,related counter accept
    oifname "docker0" counter jump DOCKER
    iifname "docker0" counter accept
  }}
  chain FORWARD {{
    type filter hook forward priority filter; policy drop;
    counter jump DOCKER-USER
    counter jump DOCKER-FORWARD
  }}
}}
"""
_UFW = "add chain {family} filter ufw-before-forward\n"


def nft(*words: str, text: str | None = None) -> str:
    command = ["nft", *words] if text is None else ["nft", "-f", "-"]
    return subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout


def like_docker(*more: str) -> None:
    for family in ("ip", "ip6"):
        for part in (_DOCKER, *more):
            nft(text=part.format(family=family))


async def everything_works(site: Site, a: Container, b: Container) -> None:
    """Out, in, and (with br_netfilter) within the bridge."""
    with echo(site.neighbour, 5000, address="::"):
        assert (a.ask(OUTSIDE, 5000), a.ask(OUTSIDE6, 5000)) == (HOST, HOST6)
    assert (a.ask(b.address, 80), a.ask(b.address6, 80)) == (a.address, a.address6)
    assert (site.from_outside(HOST, 8080), site.from_outside(HOST6, 8080)) == (OUTSIDE, OUTSIDE6)


async def inhabited(site: Site) -> tuple[Container, Container]:
    a, b = await site.container("a", ONE), await site.container("b", ONE)
    await b.publish("8080:80")
    return a, b


def exceptions() -> list[str]:
    kernel = Nftables()
    found = [comment for chain, comment in kernel.rules("filter", IPV4) if comment.startswith("containers of ")]
    kernel.close()
    return found


@own_network
def test_containers_get_past_the_policy_and_the_log_says_how(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(site: Site) -> None:
        assert "Docker's policy drops what is forwarded" in caplog.text
        assert BRIDGE in caplog.text
        await everything_works(site, *await inhabited(site))
        await site.fabric.create(TWO)
        assert len(exceptions()) == 4
        await site.fabric.remove(TWO.id)
        assert exceptions() == [f"containers of {TABLE}: from {BRIDGE}", f"containers of {TABLE}: to {BRIDGE}"]

    on_site([ONE], scene, prepare=like_docker)
    assert exceptions() == []


@own_network
@pytest.mark.census("network DOCKER-USER chain")
def test_what_the_admin_and_docker_closed_stays_closed() -> None:
    async def scene(site: Site) -> None:
        a, b = await inhabited(site)
        c = await site.container("c", TWO)
        nft("add", "rule", "ip", "filter", "DOCKER-USER", "oifname", BRIDGE, "tcp", "dport", "80", "drop")
        assert site.from_outside(HOST, 8080, timeout=0.3) is None
        assert a.ask(b.address, 81) == a.address
        assert c.ask(b.address, 81, timeout=0.3) is None, "our own isolation"
        nft("flush", "chain", "ip", "filter", "DOCKER-USER")
        assert site.from_outside(HOST, 8080) == OUTSIDE

    on_site([ONE, TWO], scene, prepare=like_docker)


@own_network
@pytest.mark.parametrize("steal", ["the rules", "the policy comes later"])
def test_exceptions_come_back_and_come_when_they_are_needed(steal: str) -> None:
    async def scene(site: Site) -> None:
        a, b = await inhabited(site)
        if steal == "the rules":
            nft("flush", "chain", "ip", "filter", "FORWARD")
        else:
            like_docker()
        await until(lambda: len(exceptions()) == 2)
        await everything_works(site, a, b)

    on_site([ONE], scene, prepare=like_docker if steal == "the rules" else lambda: None)


@own_network
def test_an_admins_policy_is_left_alone_and_named(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(site: Site) -> None:
        assert exceptions() == []
        assert "chain ip filter FORWARD drops what it does not accept" in caplog.text
        await inhabited(site)
        assert site.from_outside(HOST, 8080, timeout=0.3) is None

    on_site([ONE], scene, prepare=lambda: like_docker(_UFW))


@contextmanager
def dockerd(folder: Path) -> Iterator[list[str]]:
    """A dockerd without containers in this network namespace; gives words that start a command of its root."""
    script = """
        mount --bind "$0" "$0"; cd "$0"; mount -t proc proc proc; mount -t sysfs sysfs sys
        mount --rbind /sys/fs/cgroup sys/fs/cgroup; mount --rbind /dev dev
        mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp; exec chroot . "$@"
    """
    paths = ["--data-root", "/tmp/d", "--exec-root", "/tmp/e", "--pidfile", "/tmp/p", "--host", "unix:///tmp/s"]
    words = ["dockerd", *paths, "--storage-driver", "vfs", "--bip", "172.28.0.1/16"]
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, str(_PEERS), *words],
            stdout=log,
            stderr=log,
        )
    try:
        end = time.monotonic() + 30
        while "API listen on" not in (folder / "dockerd.log").read_text():
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail((folder / "dockerd.log").read_text())
            time.sleep(0.1)
        yield ["nsenter", "-t", str(process.pid), "-m", "chroot", str(_PEERS)]
    finally:
        process.terminate()
        process.wait(30)


@own_network
@pytest.mark.skipif(not (_PEERS / "usr/sbin/dockerd").exists(), reason="no dockerd among other engines")
def test_a_real_dockerd(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with dockerd(tmp_path) as its:

        async def scene(site: Site) -> None:
            def iptables(*words: str) -> list[str]:
                done = subprocess.run([*its, "iptables", *words], check=True, capture_output=True, text=True)
                return done.stdout.splitlines()

            assert "Docker's policy drops what is forwarded" in caplog.text
            a, b = await inhabited(site)
            await everything_works(site, a, b)
            shown = await asyncio.to_thread(iptables, "-S", "FORWARD")
            assert shown[0] == "-P FORWARD DROP"
            said = [f'-m comment --comment "containers of {TABLE}: {way} {BRIDGE}"' for way in ("from", "to")]
            assert shown[-2:] == [
                f"-A FORWARD -i {BRIDGE} {said[0]} -j ACCEPT",
                f"-A FORWARD -o {BRIDGE} {said[1]} -j ACCEPT",
            ]
            await asyncio.to_thread(iptables, "-A", "DOCKER-USER", "-i", BRIDGE, "-d", OUTSIDE, "-j", "DROP")
            with echo(site.neighbour, 5000):
                assert a.ask(OUTSIDE, 5000, timeout=0.3) is None, "the admin's word"
            assert ask("10.231.1.2", 80) is not None

        on_site([ONE], scene)
        done = subprocess.run([*its, "iptables", "-S", "FORWARD"], check=True, capture_output=True, text=True)
        assert BRIDGE not in done.stdout
