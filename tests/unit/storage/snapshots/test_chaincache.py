from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from carrack.storage.snapshots.chaincache import ChainCache
from carrack.storage.snapshots.layerdirs import LayerDirectories

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Builder:
    def __init__(self) -> None:
        self.built: list[list[str]] = []
        self.fail = False

    def __call__(self, target: Path, layers: Sequence[str]) -> None:
        (target / "made").touch()
        if self.fail:
            raise OSError(28, "No space left on device")
        self.built.append(list(layers))


def test_made_once_and_found_again(tmp_path: Path) -> None:
    builder = Builder()
    cache = ChainCache(LayerDirectories(tmp_path), "init", builder)
    first = cache.ensure([A, B])
    assert cache.ensure([A, B]) == first == ChainCache(LayerDirectories(tmp_path), "init", builder).ensure([A, B])
    assert builder.built == [[A, B]]
    assert (first / "made").is_file()
    assert cache.layers(first) == [A, B]
    assert cache.layers(cache.ensure([])) == []


def test_a_failure_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    builder = Builder()
    cache = ChainCache(LayerDirectories(tmp_path), "init", builder)
    builder.fail = True
    with pytest.raises(OSError, match="No space"):
        cache.ensure([A])
    assert not cache.path([A]).exists()
    assert list((tmp_path / "ingest").iterdir()) == []
    builder.fail = False
    assert cache.ensure([A]).is_dir()


def test_forgetting_a_layer_drops_every_chain_with_it(tmp_path: Path) -> None:
    cache = ChainCache(LayerDirectories(tmp_path), "init", Builder())
    alone, both = cache.ensure([A]), cache.ensure([A, B])
    (tmp_path / "init" / "damaged").mkdir()
    cache.forget_layer(B)
    assert not (tmp_path / "init" / "damaged").exists()
    assert alone.is_dir()
    assert not both.exists()


def test_a_chain_may_be_built_on_a_shorter_one(tmp_path: Path) -> None:
    def build(target: Path, layers: Sequence[str]) -> None:
        if len(layers) > 1:
            assert cache.ensure(layers[:-1]).is_dir()

    cache = ChainCache(LayerDirectories(tmp_path), "chains", build)
    assert cache.ensure([A, B]).is_dir()
    assert cache.path([A]).is_dir()
