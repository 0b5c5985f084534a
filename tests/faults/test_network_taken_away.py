"""Another program deletes the bridge, flushes the firewall and switches forwarding off under a running daemon."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.faults.api import Api
from tests.faults.audit import Auditor
from tests.faults.witness import Witness

pytestmark = pytest.mark.root


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    made = DaemonProcess(tmp_path)
    made.start()
    ours = CommandLine("carrack", made)
    try:
        ours("image", "bootstrap", "busybox")
        yield made
    finally:
        ours("rm", "-f", "witness-counter", "witness-server", check=False)
        made.stop()


def words(daemon: DaemonProcess) -> dict[str, list[str]]:
    return {
        "the bridge is deleted": ["ip", "link", "delete", daemon.bridge],
        "the bridge is put down": ["ip", "link", "set", daemon.bridge, "down"],
        "its address is taken": ["ip", "address", "flush", "dev", daemon.bridge],
        "the table is deleted": ["nft", "delete", "table", "ip", daemon.table],
        "the table is flushed": ["nft", "flush", "table", "ip", daemon.table],
    }


def test_published_ports_work_again_by_themselves(daemon: DaemonProcess) -> None:
    if not shutil.which("nft"):
        pytest.skip("the nft program is not installed")
    witness, auditor = Witness(Api(daemon.socket)), Auditor(daemon)
    for what, command in words(daemon).items():
        subprocess.run(command, check=True)
        eventually(lambda: not witness.serves())
        eventually(lambda: auditor.differences() == [])
        assert witness.differences() == [], what
    told = daemon.log.read_text()
    assert f"bridge {daemon.bridge} was deleted by another program: restored" in told
    assert f"nftables table {daemon.table} was changed by another program: restored" in told


def test_a_bridge_deleted_while_no_daemon_runs_is_made_again_with_its_cables(daemon: DaemonProcess) -> None:
    witness = Witness(Api(daemon.socket))
    daemon.crash()
    subprocess.run(["ip", "link", "delete", daemon.bridge], check=True)
    time.sleep(0.1)
    daemon.start()
    eventually(lambda: not witness.serves())
    assert witness.differences() == []
