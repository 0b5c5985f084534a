"""Contexts that are kept."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from carrack.engine.build import contexts as module
from carrack.engine.build.contexts import Bounds, Contexts
from carrack.errors import InvalidArgument, NotFound
from carrack.storage.trees.base import walk
from carrack.storage.trees.kept import KeptTree

ALL = Bounds(least=0)


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def listed(files: Mapping[str, str]) -> bytes:
    """Text by path; its mark is its text, so that only a file with another text is another."""
    return b"".join(b"%b\x000 644 %d 7 %b\0\0" % (p.encode(), len(t), t.encode() or b"e") for p, t in files.items())


def tar(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


async def sync(contexts: Contexts, files: Mapping[str, str], key: str = "k") -> tuple[KeptTree, list[str]]:
    """The tree, and which files were sent for it."""
    incoming = await contexts.announce(key, chunks(listed(files)))
    sent = [list(files)[number] for number in incoming.wanted]
    return await contexts.receive(incoming.id, chunks(tar({name: files[name] for name in sent}))), sent


def texts(tree: KeptTree) -> dict[str, str]:
    return {e.path.decode(): b"".join(bytes(p) for p in tree.data(e)).decode() for e in walk(tree, b"")}


def go(tmp_path: Path, work: Any, bounds: Bounds = ALL) -> None:
    async def run() -> None:
        contexts = Contexts(tmp_path, bounds)
        contexts.sweep()
        await work(contexts)
        contexts.close()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_only_what_has_changed_is_sent(tmp_path: Path) -> None:
    (tmp_path / "of an earlier daemon").write_text("x")

    async def work(contexts: Contexts) -> None:
        files = {"a": "1", "b": "22", "c": "", "d": "4"}
        tree, sent = await sync(contexts, files)
        assert (sent, texts(tree)) == (["a", "b", "d"], files)
        (kept,) = contexts.kept()
        assert (kept.key, kept.uses, kept.tree.in_use, kept.tree.size) == ("k", 1, True, 4)
        assert not contexts.remove(kept)
        changed = {"a": "1", "b": "33", "e": "5"}
        again, sent = await sync(contexts, changed)
        assert (sent, texts(again), texts(tree)) == (["b", "e"], changed, files)
        tree.close()
        again.close()
        (kept,) = contexts.kept()
        assert (kept.uses, kept.id, kept.description) == (2, kept.id, "local source for context")
        assert contexts.remove(kept)
        assert not contexts.remove(kept)
        tree, sent = await sync(contexts, changed, "another")
        assert sent == ["a", "b", "e"]
        tree.close()

    go(tmp_path, work)


def test_what_a_client_says_of_contents_is_not_believed(tmp_path: Path) -> None:
    async def work(contexts: Contexts) -> None:
        tree, _ = await sync(contexts, {"a": "one"})
        incoming = await contexts.announce("k", chunks(b"a\x000 644 3 7 other\0\0"))
        other = await contexts.receive(incoming.id, chunks(tar({"a": "two"})))
        one, two = tree.find(b"a"), other.find(b"a")
        assert one is not None
        assert two is not None
        assert tree.digest(one) != other.digest(two)
        tree.close()
        other.close()

    go(tmp_path, work)


@pytest.mark.parametrize(
    ("files", "match"),
    [({}, "did not come"), ({"a": "1", "x": "2"}, "was not wanted"), ({"../a": "1"}, "'..'")],
)
def test_other_files_than_were_wanted(tmp_path: Path, files: dict[str, str], match: str) -> None:
    async def work(contexts: Contexts) -> None:
        incoming = await contexts.announce("k", chunks(listed({"a": "1"})))
        with pytest.raises(InvalidArgument, match=match):
            await contexts.receive(incoming.id, chunks(tar(files)))
        with pytest.raises(NotFound, match="send the context whole"):
            await contexts.receive(incoming.id, chunks(b""))

    go(tmp_path, work)


def test_a_torn_tar_and_bad_lists_leave_nothing(tmp_path: Path) -> None:
    async def work(contexts: Contexts) -> None:
        incoming = await contexts.announce("k", chunks(listed({"a": "1" * 2000})))
        with pytest.raises(InvalidArgument):
            await contexts.receive(incoming.id, chunks(tar({"a": "1" * 2000})[:1000]))
        for key, data in (("", b""), ("k", b"a"), ("k", listed({"../a": "1"})), ("k", listed({"b": "1", "a": "1"}))):
            with pytest.raises(InvalidArgument):
                await contexts.announce(key, chunks(data))

    go(tmp_path, work)


def test_lists_that_nobody_follows_up_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)

    async def work(contexts: Contexts) -> None:
        incoming = await contexts.announce("k", chunks(listed({"a": "1"})))
        await asyncio.sleep(0.01)
        with pytest.raises(NotFound):
            await contexts.receive(incoming.id, chunks(b""))
        assert list(tmp_path.iterdir()) == []

    go(tmp_path, work)


def test_many_lists_at_once_are_bounded(tmp_path: Path) -> None:
    async def work(contexts: Contexts) -> None:
        for _ in range(20):
            await contexts.announce("k", chunks(listed({"a": "1"})))
        assert len(contexts._waiting) == 16

    go(tmp_path, work)


@pytest.mark.parametrize(
    ("bounds", "left"), [(Bounds(2, 100, 0), ["b", "c"]), (Bounds(9, 4, 0), ["b", "c"]), (Bounds(least=9), [])]
)
def test_bounds(tmp_path: Path, bounds: Bounds, left: list[str]) -> None:
    async def work(contexts: Contexts) -> None:
        for key in ("a", "b", "c"):
            tree, _ = await sync(contexts, {"f": key}, key)
            assert texts(tree) == {"f": key}
            tree.close()
        assert [kept.key for kept in contexts.kept()] == left

    go(tmp_path, work, bounds)
