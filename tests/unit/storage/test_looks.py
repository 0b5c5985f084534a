from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.suites.tarballs import END, file

from carrack.errors import Internal, InvalidArgument, NotFound, Unavailable
from carrack.storage.apply import apply
from carrack.storage.content import ContentStore
from carrack.storage.looks import LookSettings, look
from carrack.storage.snapshots.probe import layer_store

OLD = file(b"var/lib/dpkg/status", b"Package: a\nVersion: 1\n") + file(b"same", b"s" * 9) + file(b"f", b"1") + END
NEW = file(b"var/lib/dpkg/status", b"Package: a\nVersion: 2\n") + file(b"f", b"2") + END
COPY = file(b"same", b"s" * 9, mode=0o600) + END


def settings(tmp_path: Path, driver: str = "erofs") -> LookSettings:
    return LookSettings(driver, tmp_path / "layers", tmp_path / "content")


def stored(to: LookSettings, layer: bytes) -> tuple[str, str]:
    """The layer as it comes from a registry; its diff id and the blob that is kept of it."""
    packed = gzip.compress(layer)
    applied = apply(io.BytesIO(packed), layer_store(to.driver, to.root))
    ContentStore(to.content).put(packed)
    return applied.diff_id, applied.blob_digest


def run(to: LookSettings, *images: list[tuple[str, str]], **options: Any) -> dict[str, Any]:
    return asyncio.run(look(to, images, **options))


@pytest.mark.root
@pytest.mark.parametrize("driver", ["erofs", "overlay"])
def test_explained_from_the_kept_tar_or_the_blob(tmp_path: Path, driver: str) -> None:
    to = settings(tmp_path, driver)
    report = run(to, [stored(to, OLD), stored(to, COPY)])
    assert [(each["Path"], each["Kind"]) for each in report["Waste"]] == [("/same", "unchanged")]
    assert [row["Hidden"] for row in report["Layers"]] == [9, 0]


def test_compared(tmp_path: Path) -> None:
    to = settings(tmp_path)
    old, new, copy = stored(to, OLD), stored(to, NEW), stored(to, COPY)
    report = run(to, [old], [old, new, copy], full=True)
    assert report["Packages"] == [{"Manager": "dpkg", "Name": "a", "Before": "1", "After": "2"}]
    assert [(each["Path"], each["What"]) for each in report["Changes"]] == [
        ("/f", ["content"]), ("/same", ["mode"]), ("/var/lib/dpkg/status", ["content"])
    ]  # fmt: skip
    assert report["Unread"] == []


def test_refusals_come_back_as_what_they_are(tmp_path: Path) -> None:
    to = settings(tmp_path)
    absent = "sha256:" + hashlib.sha256(b"nothing").hexdigest()
    with pytest.raises(NotFound):
        run(to, [(absent, "")])
    layer = stored(to, OLD)
    image = next((tmp_path / "layers").rglob("layer.erofs"))
    image.write_bytes(b"\1" * image.stat().st_size)
    with pytest.raises(InvalidArgument, match="checksum"):
        run(to, [layer])
    with pytest.raises(Internal, match="unheard-of"):
        run(settings(tmp_path, "unheard-of"), [layer])


def test_no_look_is_without_end(tmp_path: Path) -> None:
    to = settings(tmp_path)
    layer = stored(to, OLD)
    with pytest.raises(Unavailable, match="takes longer than 0 s"):
        run(replace(to, patience=0.01), [layer])


def test_cancelling_ends_the_process(tmp_path: Path) -> None:
    to = settings(tmp_path)
    layer = stored(to, OLD)

    async def cancel() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await look(to, [[layer]])

    asyncio.run(cancel())
