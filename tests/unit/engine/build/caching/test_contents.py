"""How files are named. The digests that BuildKit itself gives are judged in test_naming."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.images import World

from carrack.engine.build.caching.contents import selected
from carrack.storage.trees.picking import pick
from carrack.storage.trees.tarred import TarTree, receive

FILES = {"a": "1", "d/b": "2", "d/e/c": "3"}


class _Trees:
    def __init__(self, world: World) -> None:
        self._world = world

    def make(self, files: dict[str, str] = FILES, **more: Any) -> TarTree:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for path, text in files.items():
                info = tarfile.TarInfo(path)
                info.size, info.mtime = len(text), more.get("mtime", 5)
                info.mode, info.uid = more.get("mode", 0o644), more.get("uid", 0)
                tar.addfile(info, io.BytesIO(text.encode()))
        return receive(io.BytesIO(out.getvalue()), self._world.content.ingest())


@pytest.fixture
def trees(tmp_path: Path) -> Iterator[_Trees]:
    world = World(tmp_path)
    yield _Trees(world)
    world.close()


def digest(tree: TarTree, *paths: str, context: bool = True) -> str:
    return selected([(path, tree, pick(tree, path, lambda _: False)) for path in paths], context=context)


def test_times_count_for_nothing_and_modes_and_bytes_do(trees: _Trees) -> None:
    usual = digest(trees.make(), "/")
    assert digest(trees.make(mtime=9), "/") == usual
    assert digest(trees.make(mode=0o600), "/") != usual
    assert digest(trees.make({**FILES, "d/b": "9"}), "/") != usual
    assert digest(trees.make({**FILES, "d/new": ""}), "/") != usual


def test_owners_count_but_in_a_context(trees: _Trees) -> None:
    tree, other = trees.make(), trees.make(uid=7)
    assert digest(tree, "/a") == digest(other, "/a")
    assert digest(tree, "/a", context=False) != digest(other, "/a", context=False)


def test_other_files_do_not_count(trees: _Trees) -> None:
    tree, other = trees.make(), trees.make({**FILES, "a": "9"})
    for paths in (["/d"], ["/d/b"], ["/d/*"], ["/d/b", "/d/e"]):
        assert digest(tree, *paths) == digest(other, *paths)
    assert digest(tree, "/*") != digest(other, "/*")


def test_a_path_inside_another_adds_nothing(trees: _Trees) -> None:
    tree = trees.make()
    assert digest(tree, "/d", "/d/e") == digest(tree, "/d") != digest(tree, "/d", "/a")


def test_patterns_that_match_nothing_are_all_the_same(trees: _Trees) -> None:
    tree = trees.make()
    assert digest(tree, "/z*") == digest(tree, "/y*") != digest(tree, "/a*")


def test_what_is_left_out_does_not_count(trees: _Trees) -> None:
    def without_b(tree: TarTree) -> str:
        groups = [("/d", tree, pick(tree, "/d", lambda path: path.endswith("b")))]
        return selected(groups, context=True, filtered=True)

    tree, other = trees.make(), trees.make({**FILES, "d/b": "9"})
    assert without_b(tree) == without_b(other) != digest(tree, "/d")
    assert without_b(tree) != without_b(trees.make({**FILES, "d/e/c": "9"}))
