"""Sending files to a client that plays fsutil's receiver."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.buildkit import FOLDER, LINK, FakeCaller, FakeSession, Receiver

from carrack.api.buildkit import filesend
from carrack.errors import InvalidArgument
from carrack.linux.syscalls import LINUX
from carrack.storage.trees.folder import FolderTree


def send(receiver: Receiver, folder: Path, newest: int | None = None) -> FakeCaller:
    caller = FakeCaller({}, target=receiver)
    session: Any = FakeSession(caller)
    tree = FolderTree(LINUX, os.open(folder, os.O_PATH))
    try:
        asyncio.run(filesend.send_tree(session, 3, tree, newest))
    finally:
        tree.close()
    return caller


def test_files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o755)
    (tmp_path / "d" / "big").write_bytes(b"x" * 3_000_000)
    (tmp_path / "d-").write_bytes(b"")
    (tmp_path / "l").symlink_to("d/big")
    receiver = Receiver()
    caller = send(receiver, tmp_path, newest=7)
    assert [stat["path"] for stat in receiver.stats] == ["d", "d/big", "d-", "l"]
    assert receiver.stats[0]["mode"] == FOLDER | 0o755
    assert receiver.stats[3]["mode"] & LINK
    assert receiver.stats[3]["linkname"] == "d/big"
    assert receiver.stats[1]["mod_time"] == 7_000_000_000
    assert receiver.files == {"d/big": b"x" * 3_000_000, "d-": b""}
    assert caller.opened == [(filesend.PATH, [("buildkit-attachable-exporter-id", "3")])]


@pytest.mark.parametrize("number", [0, 7])
def test_what_is_no_file_is_not_sent(tmp_path: Path, number: int) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(InvalidArgument, match="there is not"):
        send(Receiver(asks=[number]), tmp_path)


def test_one_file() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    receiver = Receiver()
    session: Any = FakeSession(FakeCaller({}, target=receiver))
    asyncio.run(filesend.send_file(session, 0, chunks()))
    assert receiver.data == b"onetwo"
