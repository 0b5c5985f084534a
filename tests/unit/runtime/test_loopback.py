from __future__ import annotations

import pytest
from tests.fakes.sandbox import run_apart

from carrack.linux.namespaces import CLONE_NEWNET
from carrack.runtime.loopback import raise_loopback

pytestmark = pytest.mark.root


def test_loopback_is_raised_once_and_for_all() -> None:
    def work() -> None:
        import socket

        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock, pytest.raises(OSError, match="unreachable"):
            sock.connect(("127.0.0.1", 9))
        raise_loopback()
        raise_loopback()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock, pytest.raises(ConnectionRefusedError):
            sock.connect(("127.0.0.1", 9))

    run_apart(work, CLONE_NEWNET)
