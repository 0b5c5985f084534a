"""Files of a client."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.buildkit import FOLDER, LINK, FakeCaller, FakeSession, Sender, stat

from carrack.api.buildkit import filesync
from carrack.engine.build.contexts import Bounds, Contexts
from carrack.errors import InvalidArgument
from carrack.storage.trees.base import walk
from carrack.storage.trees.kept import KeptTree


def receive(tmp_path: Path, sender: Sender, **more: Any) -> tuple[KeptTree, FakeCaller]:
    caller = FakeCaller({"context": sender})
    session: Any = FakeSession(caller)
    contexts = Contexts(tmp_path / "contexts")
    contexts.sweep()
    return asyncio.run(filesync.receive(session, contexts, "context", **more)), caller


def text(tree: KeptTree, path: bytes) -> bytes:
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


def test_what_is_not_ascii_goes_encoded_in_headers(tmp_path: Path) -> None:
    tree, caller = receive(tmp_path, Sender({"a": "1"}), exclude=["größe", "a b+", ""], follow=["Dockerfile"])
    ((_, metadata),) = caller.opened
    assert [value for key, value in metadata if key == "exclude-patterns"] == ["gr%C3%B6%C3%9Fe", "a+b%2B"]
    assert ("exclude-patterns-encoded", "1") in metadata
    assert ("followpaths", "Dockerfile") in metadata
    assert "followpaths-encoded" not in dict(metadata)
    tree.close()


def test_kinds(tmp_path: Path) -> None:
    stats = [
        stat("d", FOLDER | 1 << 20 | 0o777),
        stat("d/l", LINK | 0o777, linkname="../x"),
        stat("d/p", 1 << 25 | 0o600),
        stat("d/s", 1 << 24 | 0o600),
        stat("u", 1 << 23 | 0o755, xattrs={"user.a\udcff": b"1", "trusted.overlay.opaque": b"y"}),
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
    assert entry.xattrs == {b"user.a\xff": b"1"}
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
    assert os.listdir(tmp_path / "contexts") == []


def test_the_next_build_is_sent_what_has_changed(tmp_path: Path) -> None:
    contexts = Contexts(tmp_path / "contexts", Bounds(least=0))
    contexts.sweep()

    def sync(sender: Sender, shared: str = "key") -> KeptTree:
        session: Any = FakeSession(FakeCaller({"context": sender}), shared=shared)
        tree = asyncio.run(filesync.receive(session, contexts, "context"))
        tree.close()
        return tree

    files: dict[str, str | None] = {"a": "one", "d": None, "d/b": "two", "d/c": "x" * 300_000}
    assert sync(first := Sender(files)).find(b"a")
    assert sorted(first.asked) == [0, 2, 3]
    tree = sync(second := Sender({**files, "d/b": "three"}))
    assert second.asked == [2]
    assert (text(tree, b"d/b"), text(tree, b"a")) == (b"three", b"one")
    tree = sync(third := Sender({"a": "one", "e": "5"}))
    assert (third.asked, [entry.path for entry in walk(tree, b"")]) == ([1], [b"a", b"e"])
    just_now = stat("a", size=3, mod_time=time.time_ns())
    sync(Sender({"a": "one"}, [just_now]))
    sync(fresh := Sender({"a": "two"}, [just_now]))
    assert fresh.asked == [0]  # it may have been changed once more within a tick of its clock
    sync(other := Sender(files), "another")
    sync(nobody := Sender(files), "")
    assert len(other.asked) == len(nobody.asked) == 3
    contexts.close()
    assert list((tmp_path / "contexts").iterdir()) == []


def test_a_list_that_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesync, "_MOST_SAID", 100_000)
    stats = [stat(f"f{number}", xattrs={"user.a": bytes(30_000)}) for number in range(5)]
    with pytest.raises(InvalidArgument, match="more files than it may"):
        receive(tmp_path, Sender({}, stats))
    receive(tmp_path, Sender({}, stats[:3]))[0].close()
