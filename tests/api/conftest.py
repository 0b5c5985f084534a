"""One daemon of our own for all scenarios."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from tests.api.play import Player
from tests.cli.running import DaemonProcess


@pytest.fixture(scope="session")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """carrackd with its own roots, bridge, firewall table and cgroups, and the scenarios' images in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not shutil.which("busybox"):
        pytest.skip("the distribution's busybox-static is not installed")
    process = DaemonProcess(tmp_path_factory.mktemp("api"), "--default-address-pool", "base=198.18.0.0/16,size=24")
    try:
        process.start()
        player = Player(str(process.socket))
        player.prepare()
        yield player
    finally:
        process.stop()
