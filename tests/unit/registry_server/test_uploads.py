"""Uploads over many requests, restarts and failures."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from tests.fakes.own_registry import FakeBody, OwnRegistry, digest_of

from carrack.registry_server import uploads as module
from carrack.registry_server.message import Problem
from carrack.registry_server.uploads import Uploads


def test_an_upload_becomes_a_blob(registry: OwnRegistry) -> None:
    repository = registry.repositories.get("a")
    with registry.uploads.begin(repository) as upload:
        upload.take(FakeBody(b"one ", b"two"))
        registry.uploads.finish(repository, upload, digest_of(b"one two"))
    assert repository.has_blob(digest_of(b"one two"))
    assert registry.repositories.content.read(digest_of(b"one two"), 100) == b"one two"
    assert not upload.path.exists()


def test_another_digest_leaves_nothing(registry: OwnRegistry) -> None:
    repository = registry.repositories.get("a")
    with registry.uploads.begin(repository) as upload:
        upload.take(FakeBody(b"bytes"))
        with pytest.raises(Problem, match="what came is"):
            registry.uploads.finish(repository, upload, digest_of(b"other"))
    assert not repository.has_blob(digest_of(b"bytes"))
    assert not list(registry.repositories.content.digests())
    assert not upload.path.exists()


def test_what_came_before_the_client_went_is_kept(registry: OwnRegistry) -> None:
    repository = registry.repositories.get("a")
    with registry.uploads.begin(repository) as upload, pytest.raises(ConnectionResetError):
        upload.take(FakeBody(b"half", breaks=True))
    assert registry.uploads.size(repository, upload.id) == 4
    restarted = Uploads(registry.repositories)
    with restarted.hold(repository, upload.id) as again:
        assert again.size == 4
        again.take(FakeBody(b" and half"))
        restarted.finish(repository, again, digest_of(b"half and half"))
    assert repository.has_blob(digest_of(b"half and half"))


def test_one_request_at_a_time(registry: OwnRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TURN", 0.05)
    repository = registry.repositories.get("a")
    with registry.uploads.begin(repository) as upload:
        found: list[Problem] = []

        def other() -> None:
            try:
                with registry.uploads.hold(repository, upload.id):
                    pass
            except Problem as problem:
                found.append(problem)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join(5)
        assert [problem.status for problem in found] == [409]


@pytest.mark.parametrize("id_", ["", "x", "../../../etc/passwd", "0" * 31, "A" * 32, "0" * 32])
def test_unknown_uploads(registry: OwnRegistry, id_: str) -> None:
    with pytest.raises(Problem) as caught, registry.uploads.hold(registry.repositories.get("a"), id_):
        pass
    assert caught.value.code == "BLOB_UPLOAD_UNKNOWN"


def test_a_cancelled_one_is_unknown(registry: OwnRegistry) -> None:
    repository = registry.repositories.get("a")
    with registry.uploads.begin(repository) as upload:
        registry.uploads.cancel(upload)
    with pytest.raises(Problem), registry.uploads.hold(repository, upload.id):
        pass


def test_a_full_disk_keeps_the_count_right(registry: OwnRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = registry.repositories.get("a")
    with registry.uploads.begin(repository) as upload:
        upload.take(FakeBody(b"first "))

        def full(fd: int, data: bytes | memoryview) -> None:
            os.write(fd, bytes(data)[:2])
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(module, "write_all", full)
            with pytest.raises(OSError, match="No space"):
                upload.take(FakeBody(b"second"))
        assert registry.uploads.size(repository, upload.id) == upload.size == 6
        upload.take(FakeBody(b"second"))
        registry.uploads.finish(repository, upload, digest_of(b"first second"))


def test_many_idle_ones_keep_no_descriptors(registry: OwnRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN", 4)
    repository = registry.repositories.get("a")
    ids = []
    for number in range(10):
        with registry.uploads.begin(repository) as upload:
            upload.take(FakeBody(b"%d" % number))
            ids.append(upload.id)
    assert len(registry.uploads._open) <= 4
    with registry.uploads.hold(repository, ids[0]) as first:
        assert first.blob().digest == digest_of(b"0")


def test_the_forsaken_are_swept(registry: OwnRegistry, tmp_path: Path) -> None:
    repository = registry.repositories.get("a")
    paths = []
    for _ in range(2):
        with registry.uploads.begin(repository) as upload:
            paths.append(upload.path)
    os.utime(paths[0], (1000, 1000))
    assert registry.uploads.sweep(3600) == 1
    assert [path.exists() for path in paths] == [False, True]


def test_large_and_small_pieces_have_one_digest(registry: OwnRegistry) -> None:
    repository = registry.repositories.get("a")
    pieces = [os.urandom(size) for size in (1 << 20, 10, 1 << 19, 1 << 20, 3, 0, 300_000)]
    with registry.uploads.begin(repository) as upload:
        upload.take(FakeBody(*pieces))
        upload.take(FakeBody(b"more"))
        assert upload.blob().digest == digest_of(b"".join(pieces) + b"more")
        with pytest.raises(ConnectionResetError):
            upload.take(FakeBody(pieces[0], breaks=True))
        registry.uploads.finish(repository, upload, digest_of(b"".join(pieces) + b"more" + pieces[0]))
    assert not [thread for thread in threading.enumerate() if thread.name == "hash"]
