from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.linux import selinux
from carrack.storage.snapshots.mounts import LayerMounts

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Recorder(FakeKernel):
    def __init__(self) -> None:
        super().__init__()
        self.mounted: list[str] = []
        self.busy = False

    def new_mount(self, fstype: str, options: Sequence[tuple[str, str | int | None]], attributes: int = 0) -> int:
        assert (fstype, attributes) == ("erofs", 1)
        self.options = list(options)
        return os.open("/", os.O_PATH)

    def move_mount(self, from_fd: int, to_fd: int, to_path: str = "") -> None:
        self.mounted.append(to_path)

    def umount(self, target: str, flags: int = 0) -> None:
        if self.busy:
            raise OSError(errno.EBUSY, "umount: Device or resource busy", target)
        self.mounted.remove(target)


@pytest.fixture(autouse=True)
def _mounts_look_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LayerMounts, "_is_mount", lambda self, path: True)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    path = tmp_path / "proc/self/mountinfo"
    path.parent.mkdir(parents=True)
    path.write_text("")
    return path


def test_mounted_once_and_swept(tmp_path: Path, proc: Path) -> None:
    kernel = Recorder()
    mounts = LayerMounts(tmp_path / "run", kernel, through_loop=False, proc=str(tmp_path / "proc"))
    path = mounts.ensure(A, tmp_path / "image")
    assert mounts.ensure(A, tmp_path / "image") == path
    mounts.ensure(B, tmp_path / "image")
    assert len(kernel.mounted) == 2
    mounts.sweep([A])
    assert kernel.mounted == [str(path)]
    kernel.busy = True
    mounts.release(A)
    assert mounts.mounted() == {A}
    kernel.busy = False
    mounts.release(A)
    mounts.release(A)
    assert mounts.mounted() == frozenset()
    assert list((tmp_path / "run/layers").iterdir()) == []


def test_files_of_layers_have_the_label_that_all_read(
    tmp_path: Path, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, str] = {}
    monkeypatch.setattr(selinux, "set_label", given.__setitem__)
    kernel = Recorder()
    LayerMounts(tmp_path / "run", kernel, through_loop=False, label="l", proc=str(tmp_path / "proc")).ensure(
        A, tmp_path
    )
    assert kernel.options == [("source", str(tmp_path)), ("ro", None), ("context", "l")]
    assert given == {str(tmp_path): "l"}


def test_mounts_of_an_earlier_daemon_are_found(tmp_path: Path, proc: Path) -> None:
    root = tmp_path / "run/layers"
    line = "50 29 0:45 / {path} ro,relatime - {kind} /image ro\n"
    proc.write_text(
        line.format(path=root / ("a" * 64), kind="erofs")
        + line.format(path=root / ("b" * 64), kind="tmpfs")
        + line.format(path=root / "other", kind="erofs")
        + line.format(path=tmp_path / ("b" * 64), kind="erofs")
    )
    kernel = Recorder()
    mounts = LayerMounts(tmp_path / "run", kernel, through_loop=False, proc=str(tmp_path / "proc"))
    assert mounts.mounted() == {A}
    mounts.ensure(A, tmp_path / "image")
    assert kernel.mounted == []
