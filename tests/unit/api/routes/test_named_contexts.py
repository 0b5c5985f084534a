"""Named contexts of our own command's builds; what is built with them: tests/cli/test_build_own_words.py."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from carrack.api.routes import named_contexts
from carrack.api.routes.named_contexts import NamedContexts, read
from carrack.engine.build.fetching import Remote
from carrack.engine.build.order import Asked, attributes
from carrack.engine.build.request import Elsewhere, Files
from carrack.errors import InvalidArgument, NotFound
from carrack.storage.trees.base import Tree

DIGEST = "sha256:" + "0" * 64


class Fetcher:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.fetched: list[str] = []

    async def remote(self, source: str, *_: Any, unpack: bool) -> Remote:
        self.fetched.append(source)
        return Remote(self.tree)


def test_names_are_those_of_images() -> None:
    text = json.dumps({"docker.io/library/a:latest": "1", "A": "2", "a::linux/arm64": "3", "b:1": "4"})
    assert read(text) == {"a": "1", "A": "2", "a::linux/arm64": "3", "b:1": "4"}
    assert read("") == {}
    for bad in ("[", "[]", '{"a": 1}'):
        with pytest.raises(InvalidArgument, match="contexts"):
            read(bad)


def test_a_folder_whose_build_does_not_come_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_contexts, "PATIENCE", 0.02)
    closed: list[str] = []
    more = asyncio.Event()

    async def received(what: Any) -> Tree:
        if what == "slow":
            await more.wait()
        tree: Tree = SimpleNamespace(close=lambda: closed.append(what))
        return tree

    async def run() -> None:
        named = NamedContexts(SimpleNamespace(), received)  # type: ignore[arg-type]
        await named.files("quick")  # type: ignore[arg-type]
        slow = asyncio.create_task(named.files("slow"))  # type: ignore[arg-type]  # noqa: TID251
        await asyncio.sleep(0.1)
        assert closed == []
        more.set()
        await slow
        await asyncio.sleep(0.1)
        assert closed == ["quick", "slow"]

    asyncio.run(run())


def test_what_each_stands_for() -> None:
    closed: list[bool] = []
    tree: Tree = SimpleNamespace(close=lambda: closed.append(True))
    fetcher = Fetcher(tree)

    async def received(_: Any) -> Tree:
        return tree

    async def run() -> None:
        named = NamedContexts(SimpleNamespace(fetcher=fetcher, layouts=object()), received)  # type: ignore[arg-type]
        answer = await named.files(None)  # type: ignore[arg-type]
        assert isinstance(answer.body, bytes)
        sent = f"sent:{json.loads(answer.body)['ID']}"
        asked = Asked(
            named={
                "i": "docker-image://a:1",
                "s": sent,
                "g": "github.com/a/b",
                "o": f"oci-layout:///d:latest@{DIGEST}",
            },
            stores=lambda at: at.attributes["src"],  # type: ignore[arg-type, return-value]
        )
        async with AsyncExitStack() as held:
            contexts: Any = named.opened(asked, held).contexts
            assert contexts["i"] == "a:1"
            assert isinstance(contexts["o"], Elsewhere)
            assert await contexts["s"]() == Files(tree, name="s")
            assert await contexts["g"]() is await contexts["g"]()
            assert fetcher.fetched == ["github.com/a/b"]
            with pytest.raises(NotFound, match="send it again"):
                named.opened(asked, held)
            for bad in ("here", f"oci-layout:///d:latest@{DIGEST}"):
                with pytest.raises(InvalidArgument):
                    named.opened(Asked(named={"x": bad}), held)
        assert closed == [True]
        assert attributes(asked)["context:s"] == "local:s"
        assert attributes(asked)["context:i"] == "docker-image://a:1"

    asyncio.run(run())
