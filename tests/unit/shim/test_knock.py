"""Connections to shims that are made ahead."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from carrack.shim import knock, protocol


def shim(run_root: Path, name: str) -> socket.socket:
    directory = run_root / "containers" / name
    directory.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(directory / protocol.SOCKET_FILE))
    listener.listen(1)
    return listener


def test_every_shim_is_connected_to_and_its_words_wait(tmp_path: Path) -> None:
    with shim(tmp_path, "a") as first, shim(tmp_path, "b") as second:
        (tmp_path / "containers" / "gone").mkdir()
        knock.knock(str(tmp_path))
        ours, _ = first.accept()
        ours.send(b"state")
        taken = knock.answered(str(tmp_path / "containers" / "a"))
        assert taken is not None
        knock.keep(str(tmp_path / "containers" / "a"), taken)
        assert knock.answered(str(tmp_path / "containers" / "a")) is taken
        assert taken.recv(100) == b"state"
        assert knock.answered(str(tmp_path / "containers" / "a")) is None
        assert knock.answered(str(tmp_path / "containers" / "gone")) is None
        other, _ = second.accept()
        knock.leave()
        assert other.recv(100) == b""
        for sock in (ours, other, taken):
            sock.close()


def test_long_paths_are_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / ("long" * 20)
    monkeypatch.chdir(tmp_path)
    root.mkdir()
    monkeypatch.chdir(root)
    with shim(Path(), "a") as listener:
        knock.knock(str(root))
        ours, _ = listener.accept()
        taken = knock.answered(str(root / "containers" / "a"))
        assert taken is not None
        taken.close()
        ours.close()


def test_there_may_be_none(tmp_path: Path) -> None:
    knock.knock(str(tmp_path / "absent"))
    knock.leave()
