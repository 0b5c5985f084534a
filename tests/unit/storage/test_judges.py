"""The process that reads things again, and what is said when it dies."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from tests.suites.tarballs import END, file

from carrack.errors import Internal
from carrack.storage.content import ContentStore
from carrack.storage.judges import JudgeSettings, judging
from carrack.storage.snapshots.probe import layer_store

TAR = file(b"a", b"x" * 5000) + END
DIFF_ID = "sha256:" + hashlib.sha256(TAR).hexdigest()


def settings(root: Path) -> JudgeSettings:
    return JudgeSettings("erofs", root / "layers", root)


def test_blobs_and_layers_one_after_another(tmp_path: Path) -> None:
    blob = ContentStore(tmp_path).put(b"blob")
    writer = layer_store("erofs", tmp_path / "layers").layer_writer()
    writer.write(TAR)
    writer.commit(DIFF_ID)

    async def ask() -> None:
        async with judging(settings(tmp_path)) as judge:
            assert await judge.layer(DIFF_ID) == ("", 0)
            assert await judge.blob(blob) == ("", 4)
            assert await judge.layer("sha256:" + "0" * 64) == ("is missing", 0)
            (image,) = tmp_path.glob("layers/erofs/layers/*/layer.erofs")
            image.write_bytes(image.read_bytes()[:-1])
            assert "is damaged: its image has " in (await judge.layer(DIFF_ID)).wrong

    asyncio.run(ask())


def test_a_judge_that_dies(tmp_path: Path) -> None:
    async def ask() -> None:
        async with judging(settings(tmp_path)) as judge:
            judge._process.kill()
            with pytest.raises(Internal, match="died at blob sha256:0"):
                await judge.blob("sha256:" + "0" * 64)

    asyncio.run(ask())
