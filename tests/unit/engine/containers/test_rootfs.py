"""Opening mount sources as detached trees: which, how, and that all go with the stack."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeSnapshotter
from tests.fakes.kernel import FakeKernel

from carrack.engine.containers import rootfs
from carrack.errors import InvalidArgument, NotFound
from carrack.linux.mount import AT_FDCWD, AT_RECURSIVE, OPEN_TREE_CLONE


def mount(kind: str, source: str, *options: str) -> Any:
    return {"destination": "/x", "type": kind, "source": source, "options": list(options)}


def test_the_root_is_closed_with_the_stack(tmp_path: Path) -> None:
    snapshots: Any = FakeSnapshotter(tmp_path / "s")
    snapshots.prepare("c", ())
    with ExitStack() as held:
        fd = rootfs.open_root(snapshots, "c", (), held)
        assert os.path.samefile(f"/proc/self/fd/{fd}", snapshots.upper("c"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_lost_file_system_begins_afresh(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    snapshots: Any = FakeSnapshotter(tmp_path / "s")
    with ExitStack() as held:
        rootfs.open_root(snapshots, "gone", ("sha256:1",), held)
        assert snapshots.keys() == ["gone"]
    assert "has lost its file system" in caplog.text
    snapshots.remove("gone")
    snapshots.failure = NotFound("no layer")
    with ExitStack() as held, pytest.raises(NotFound):
        rootfs.open_root(snapshots, "gone", ("sha256:1",), held)


def test_only_binds_and_recursive_ones_recursively(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, str, int]] = []

    class Kernel(FakeKernel):
        def open_tree(self, dirfd: int, path: str, flags: int) -> int:
            calls.append((dirfd, path, flags))
            return os.open("/", os.O_PATH)

    monkeypatch.setattr(rootfs, "LINUX", Kernel())
    mounts = [mount("tmpfs", "tmpfs"), mount("bind", "/a", "rbind"), mount("proc", "proc"), mount("bind", "/b", "bind")]
    with ExitStack() as held:
        sources = rootfs.open_sources(mounts, held)
        assert set(sources) == {"1", "3"}
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC
    assert calls == [(AT_FDCWD, "/a", flags | AT_RECURSIVE), (AT_FDCWD, "/b", flags)]
    for fd in sources.values():
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_a_source_that_is_gone_is_named(tmp_path: Path) -> None:
    with ExitStack() as held, pytest.raises(InvalidArgument) as failure:
        rootfs.open_sources([mount("bind", f"{tmp_path}/gone", "rbind")], held)
    assert str(failure.value).startswith(f"error mounting '{tmp_path}/gone' to rootfs at '/x': ")
