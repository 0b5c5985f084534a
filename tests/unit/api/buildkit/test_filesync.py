"""Files of a client."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.buildkit import FOLDER, LINK, FakeCaller, FakeSession, Sender, stat

from carrack.api.buildkit import filesync
from carrack.errors import InvalidArgument
from carrack.storage.content import ContentStore
from carrack.storage.trees.base import walk
from carrack.storage.trees.tarred import TarTree


def receive(tmp_path: Path, sender: Sender, **more: Any) -> tuple[TarTree, FakeCaller]:
    caller = FakeCaller({"context": sender})
    session: Any = FakeSession(caller)
    return asyncio.run(filesync.receive(session, ContentStore(tmp_path), "context", **more)), caller


def text(tree: TarTree, path: bytes) -> bytes:
    entry = tree.find(path)
    assert entry is not None
    return b"".join(bytes(piece) for piece in tree.data(entry))


def test_files(tmp_path: Path) -> None:
    files = {"a": "one", "d": None, "d/b": "two", "d/empty": "", "e": "x" * 700_000, "f": "z" * 300_000}
    tree, caller = receive(tmp_path, Sender(files), exclude=["*.md"], follow=["a"])
    assert [entry.path for entry in walk(tree, b"")] == [b"a", b"d", b"d/b", b"d/empty", b"e", b"f"]
    assert (text(tree, b"a"), text(tree, b"d/b"), text(tree, b"d/empty")) == (b"one", b"two", b"")
    assert len(text(tree, b"e")) == 700_000
    assert text(tree, b"f") == b"z" * 300_000
    ((path, metadata),) = caller.opened
    assert path == "/moby.filesync.v1.FileSync/DiffCopy"
    assert ("exclude-patterns", "*.md") in metadata
    assert ("followpaths", "a") in metadata
    tree.close()


def test_kinds(tmp_path: Path) -> None:
    stats = [
        stat("d", FOLDER | 1 << 20 | 0o777),
        stat("d/l", LINK | 0o777, linkname="../x"),
        stat("d/p", 1 << 25 | 0o600),
        stat("d/s", 1 << 24 | 0o600),
        stat("u", 1 << 23 | 0o755, xattrs={"user.a": b"1", "trusted.overlay.opaque": b"y"}),
        stat("v", 0o644, linkname="u"),
    ]
    tree, _ = receive(tmp_path, Sender({}, stats))
    kinds = {entry.path: (entry.kind, oct(entry.mode)) for entry in walk(tree, b"")}
    assert kinds == {
        b"d": (b"5", "0o1777"), b"d/l": (b"2", "0o777"), b"d/p": (b"6", "0o600"), b"u": (b"0", "0o4755"),
        b"v": (b"0", "0o4755"),
    }  # fmt: skip
    entry = tree.find(b"u")
    assert entry is not None
    assert entry.xattrs == {b"user.a": b"1"}
    tree.close()


@pytest.mark.parametrize(
    "stats",
    [
        [stat("../a")],
        [stat("/a")],
        [stat("a/./b")],
        [stat("a//b")],
        [stat("b"), stat("a")],
        [stat("a"), stat("a")],
        [stat("none/b")],
        [stat("l", LINK, linkname="/etc"), stat("l/passwd")],
        [stat("f"), stat("f/x")],
        [stat("a\0b")],
        [stat("a", size=-1)],
    ],
)
def test_cve_2026_33747_names_that_lead_out(tmp_path: Path, stats: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidArgument):
        receive(tmp_path, Sender({}, stats))
    assert os.listdir(tmp_path / "ingest") == []
