"""A shared /dev/shm: who has one, who may join, and what is asked of the kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.fakes.containers import container
from tests.fakes.kernel import FakeKernel

from carrack.engine.containers import shm
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.errors import Conflict


def with_ipc(mode: str) -> Container:
    return container(1, {"HostConfig": {"IpcMode": mode, "ShmSize": 4096}})


def nobody(name: str) -> Container:
    raise AssertionError(f"nobody asks for {name}")


def test_who_joins_a_container_with_the_hosts_gets_the_hosts() -> None:
    [joined] = shm.mounts(with_ipc("container:x"), Paths("/data", "/run/x"), lambda _: with_ipc("host"))
    assert joined["source"] == "/dev/shm"


@pytest.mark.parametrize("mode", ["private", "none", "host", ""])
def test_others_have_none(mode: str) -> None:
    assert shm.mounts(with_ipc(mode), Paths("/data", "/run/x"), nobody) == []


def test_owner_and_guest_bind_the_same_place() -> None:
    paths, owner = Paths("/data", "/run/x"), with_ipc("shareable")
    [own] = shm.mounts(owner, paths, nobody)
    [joined] = shm.mounts(with_ipc("container:" + owner.id), paths, lambda _: owner)
    assert own == joined
    assert own["destination"] == "/dev/shm"
    assert own["source"] == f"/run/x/containers/{owner.id}/shm"


@pytest.mark.parametrize(
    ("mode", "joinable"), [("shareable", True), ("host", True), ("private", False), ("none", False)]
)
def test_only_a_shareable_one_is_joined(mode: str, joinable: bool) -> None:
    if joinable:
        shm.check_joinable(with_ipc(mode))
    else:
        with pytest.raises(Conflict, match="hint: use IpcMode:shareable for the donor container"):
            shm.check_joinable(with_ipc(mode))


def test_it_is_a_limited_tmpfs_and_goes_with_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel(FakeKernel):
        def new_mount(self, fstype: str, options: object, attributes: int = 0) -> int:
            super().new_mount(fstype, options, attributes)  # type: ignore[arg-type]
            return os.open("/", os.O_PATH)

    kernel, before = Kernel(), set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(shm, "LINUX", kernel)
    paths, c = Paths(str(tmp_path / "data"), str(tmp_path / "run")), with_ipc("shareable")
    shm.attach(with_ipc("private"), paths)
    assert kernel.calls == []
    shm.attach(c, paths)
    place = f"{paths.run(c.id)}/shm"
    assert os.path.isdir(place)
    [made] = kernel.named("new_mount")
    assert "4096" in repr(made)
    assert "1777" in repr(made)
    assert place in repr(kernel.named("move_mount"))
    assert set(os.listdir("/proc/self/fd")) == before
    shm.release(paths.run(c.id))
    assert [str(call[1]).rpartition("/")[2] for call in kernel.named("umount")] == ["shm", "image", "shm", "image"]


def test_the_tmpfs_is_the_containers_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel()
    monkeypatch.setattr(shm, "LINUX", kernel)
    monkeypatch.setattr(os, "close", lambda fd: None)
    shm.attach(with_ipc("shareable"), Paths(str(tmp_path), str(tmp_path)), (7, 8))
    options = kernel.named("new_mount")[0][2]
    assert isinstance(options, tuple)
    assert {("uid", "7"), ("gid", "8"), ("mode", "1777")} <= set(options)
