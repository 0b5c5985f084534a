"""The socket of the daemon for a container."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.cli.api_socket import share_socket
from carrack.errors import InvalidArgument


def test_the_mount() -> None:
    body: dict[str, Any] = {"HostConfig": {"Mounts": [{"Type": "volume"}]}}
    share_socket(body, "unix:///run/x.sock")
    assert body["HostConfig"]["Mounts"][1]["Source"] == "/run/x.sock"
    assert body["HostConfig"]["Mounts"][1]["Target"] == "/var/run/docker.sock"


def test_a_daemon_elsewhere() -> None:
    with pytest.raises(InvalidArgument, match="tcp://h:1"):
        share_socket({}, "tcp://h:1")
