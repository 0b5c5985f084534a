"""Verdicts on blobs and layers; the process they come from is in test_judges.py."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.layers import FakeLayers

from carrack.errors import InvalidArgument
from carrack.storage.content import ContentStore
from carrack.storage.judge import Verdict, of_blob, of_layer


def test_blobs(tmp_path: Path) -> None:
    content = ContentStore(tmp_path)
    digest = content.put(b"x" * 3_000_000)
    assert of_blob(content, digest) == Verdict("", 3_000_000)
    with content.path(digest).open("r+b") as file:
        file.write(b"y")
    assert of_blob(content, digest) == Verdict("has changed: its digest is another one", 3_000_000)
    content.delete(digest)
    assert of_blob(content, digest) == Verdict("is missing", 0)
    content.path(digest).mkdir()
    assert of_blob(content, digest).wrong == "cannot be read (Is a directory)"


def test_layers(tmp_path: Path) -> None:
    layers = FakeLayers(tmp_path)
    (tmp_path / "sha256:x").write_bytes(b"x")
    assert of_layer(layers, "sha256:x").wrong == "is damaged: its content has another digest"

    def refuses(diff_id: str) -> str:
        raise InvalidArgument("no tar")

    layers.damage = refuses  # type: ignore[method-assign]
    assert of_layer(layers, "sha256:x").wrong == "cannot be read (no tar)"
