"""How the program is started and what its layers are; the driver as a whole is in tests/root/test_snapshots.py."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel
from tests.suites.namespace import private_mounts
from tests.suites.snapshotter import mounted, store
from tests.suites.tarballs import END, directory, file, header, whiteout

from carrack.errors import InvalidArgument, NotSupported
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.base import Owners
from carrack.storage.snapshots.fuse import FuseLayers, FuseMounter, FuseSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories

Option = tuple[str, str | int | None]


class Recorder(FakeKernel):
    options: Sequence[Option] = ()

    def new_mount(self, fstype: str, options: Sequence[Option], attributes: int = 0) -> int:
        assert fstype == "fuse"
        self.options = options
        return os.open("/dev/null", os.O_RDONLY)


def program(tmp_path: Path, script: str) -> str:
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def mounter(tmp_path: Path, kernel: FakeKernel, script: str, patience: float = 30) -> FuseMounter:
    made = program(tmp_path, script)
    return FuseMounter(tmp_path / "run", kernel, program=made, device="/dev/null", patience=patience)


def test_the_program_gets_the_device_and_short_names(tmp_path: Path) -> None:
    kernel = Recorder()
    script = f'echo "$@" > {tmp_path}/words; for name in 0 1 u w; do readlink $name; done > {tmp_path}/names'
    fd = mounter(tmp_path, kernel, script).mount([Path("/a:,b"), Path("/c")], Path("/up"), Path("/work"))
    os.close(fd)
    options = dict(kernel.options)
    words = (tmp_path / "words").read_text()
    assert words == f"-o writeback=0,lowerdir=0:1,upperdir=u,workdir=w /dev/fd/{options['fd']}\n"
    assert (tmp_path / "names").read_text().split() == ["/a:,b", "/c", "/up", "/work"]
    assert {"allow_other", "default_permissions"} <= set(options)
    assert "ro" not in options
    os.close(mounter(tmp_path, kernel, "true").mount([Path("/a")]))
    assert "ro" in dict(kernel.options)
    assert list((tmp_path / "run/o").iterdir()) == []


def test_its_complaint_is_told_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot do that"):
        mounter(tmp_path, Recorder(), "echo cannot do that >&2; exit 1").mount([Path("/a")])
    with pytest.raises(TimeoutError, match="not ready"):
        mounter(tmp_path, Recorder(), "exec sleep 9", 0.1).mount([Path("/a")])
    assert list((tmp_path / "run/o").iterdir()) == []


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = mounter(tmp_path, Recorder(), "true")
    with pytest.raises(NotSupported, match="map ids"):
        made.mount([Path("/a")], owners=Owners(1, 2))
    with pytest.raises(InvalidArgument, match="501 layers"):
        made.mount([Path("/a")] * 501)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NotSupported, match="install the package fuse-overlayfs"):
        FuseSnapshotter.check()


def test_a_layer_is_a_directory_with_whiteouts_by_name(tmp_path: Path) -> None:
    mine = {"uid": os.geteuid(), "gid": os.getegid()}
    layers = FuseLayers(LayerDirectories(tmp_path))
    archive = directory(b"d", **mine) + file(b"d/f", b"data", **mine) + whiteout(b"d", b"x")
    archive += file(b"d/.wh..wh..opq") + header(b"device", b"3", device=(0, 0)) + END
    diff_id = "sha256:" + hashlib.sha256(archive).hexdigest()
    writer = layers.layer_writer()
    writer.write(archive)
    writer.commit(diff_id)
    found = layers.files(diff_id)
    assert sorted(os.listdir(found)) == [".wh.device", "d"]
    assert sorted(os.listdir(found / "d")) == [".wh..wh..opq", "f"]  # nothing is left to hide in an opaque one
    assert layers.open_tar(diff_id) is None


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("fuse-overlayfs"), reason="fuse-overlayfs is not installed")
def test_its_process_ends_with_the_last_mount(tmp_path: Path) -> None:
    with private_mounts():
        driver = FuseSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
        driver.prepare("key", [store(driver, file(b"f"))])
        with mounted(driver.mount("key")) as root:
            running = serving(tmp_path)
            assert len(running) == 1
            assert (root / "f").is_file()
        end = time.monotonic() + 10
        while serving(tmp_path):
            assert time.monotonic() < end, "its process stays"
            time.sleep(0.02)


def serving(tmp_path: Path) -> list[str]:
    """The processes that hold a directory of the test's."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text() == "fuse-overlayfs\n":
                held = [os.readlink(fd) for fd in (process / "fd").iterdir()]
                if any(path.startswith(str(tmp_path)) for path in held):
                    found.append(process.name)
        except OSError:
            continue
    return found
