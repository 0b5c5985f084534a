"""Messages to systemd."""

from __future__ import annotations

import socket
from pathlib import Path

from carrack.daemon.notify import notify


def test_states_arrive_and_nobody_listening_is_no_failure(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        notify(path, "READY=1")
        assert manager.recv(100) == b"READY=1"
    notify(path, "READY=1")
    notify("", "READY=1")
