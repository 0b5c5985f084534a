"""CVE-2025-54388, CVE-2025-54410: rules that another program removes come back at once, and it is logged."""

import asyncio
import logging
import os
import shutil
import subprocess

import pytest
from tests.root.netns import Namespace, ask, echo, own_network
from tests.root.one_network import OneNetwork

from carrack.linux.nft_messages import delete_table
from carrack.linux.nftables import Nftables
from carrack.model.ports import PublishedPort
from carrack.network.bridge import BridgeSettings

pytestmark = pytest.mark.root

SETTINGS = BridgeSettings(f"crk{os.getpid() % 100000}", "10.231.0.1/24")
TABLE = f"crk-test-{os.getpid()}"


async def restored(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(500):
        if "restored" in caplog.text:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the loss was not noticed")


def suffer(steal: list[str] | None, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        network = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
        await network.setup()
        thief = Nftables()
        count = len(thief.rules(TABLE))
        try:
            with Namespace() as container:
                await network.connect("c1", container.fd, container.netlink_fd)
                done = await network.publish("c1", [PublishedPort("80/tcp", "127.0.0.1", "8080")])
                if steal is None:
                    thief.commit([delete_table(TABLE)])
                else:
                    await asyncio.to_thread(subprocess.run, ["nft", *steal], check=True)
                await restored(caplog)
                assert len(thief.rules(TABLE)) == count
                for fd in done.fds:
                    os.close(fd)
                with echo(container, 80):
                    assert ask("127.0.0.1", 8080) == "10.231.0.1"
        finally:
            thief.close()
            await network.teardown()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())


@own_network
def test_deleted_table(caplog: pytest.LogCaptureFixture) -> None:
    suffer(None, caplog)


@pytest.mark.skipif(not shutil.which("nft"), reason="the nft program is not installed")
@pytest.mark.parametrize(
    "steal",
    [["flush", "ruleset"], ["flush", "chain", "ip", TABLE, "raw"], ["flush", "table", "ip", TABLE]],
    ids=["ruleset", "chain", "table"],
)
@own_network
def test_flushed(steal: list[str], caplog: pytest.LogCaptureFixture) -> None:
    suffer(steal, caplog)


@own_network
def test_own_changes_raise_no_alarm(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        network = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
        await network.setup()
        with Namespace() as container:
            await network.connect("c1", container.fd, container.netlink_fd)
            done = await network.publish("c1", [PublishedPort("80/tcp", "", "8080")])
            for fd in done.fds:
                os.close(fd)
            await network.disconnect("c1")
        await asyncio.sleep(0.05)
        await network.teardown()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert caplog.text == ""
