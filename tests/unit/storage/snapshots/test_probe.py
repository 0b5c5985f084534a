"""Choosing; that the drivers work is what tests/root/test_snapshots.py shows."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel
from tests.suites.namespace import private_mounts

from carrack.errors import InvalidArgument, Unavailable
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.probe import DRIVERS, choose, file_mounts_are_safe, layer_store, takes_lowers_one_by_one


class Refusing(FakeKernel):
    def __init__(self) -> None:
        super().__init__()
        self.tried: list[str] = []

    def new_mount(self, fstype: str, options: object, attributes: int = 0) -> int:
        self.tried.append(fstype)
        raise OSError(errno.ENODEV, f"mount {fstype}: No such device", fstype)

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        self.tried.append("open_tree")
        raise OSError(errno.EPERM, "open_tree: Operation not permitted", path)


@pytest.mark.parametrize(
    ("release", "safe"),
    [
        ("6.18.44", True),
        ("6.13.0-rc1", True),
        ("7.0.1-arch1", True),
        ("6.12.38+deb13-amd64", True),
        ("6.12.0-55.el10.x86_64", False),
        ("6.12.1", False),
        ("6.12", False),
        ("6.11.9", False),
        ("5.15.0-100-generic", False),
        ("odd", False),
    ],
)
def test_kernels_that_may_panic_are_not_tried(release: str, safe: bool) -> None:
    assert file_mounts_are_safe(release) is safe


def test_kernels_that_take_lower_directories_one_by_one() -> None:
    assert [takes_lowers_one_by_one(release) for release in ("6.1.0-56-cloud-amd64", "6.8.0", "7.0.1", "odd")] == [
        False, True, True, False,
    ]  # fmt: skip


def test_an_unknown_driver(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="zfs"):
        choose(tmp_path / "root", tmp_path / "run", LINUX, "zfs")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
def test_all_reasons_are_told_when_none_works(tmp_path: Path) -> None:
    kernel = Refusing()
    with pytest.raises(Unavailable) as caught:
        choose(tmp_path / "root", tmp_path / "run", kernel, release="6.12.1")
    for driver in DRIVERS:
        assert f"{driver}: " in str(caught.value)
    assert "CVE-2024-56750" in str(caught.value)
    assert [path for path in (tmp_path / "root").rglob("layer*") if path.is_file()] == []


@pytest.mark.root
@pytest.mark.parametrize("wanted", DRIVERS)
def test_every_driver_can_be_wanted_and_what_has_layers_is_chosen_again(wanted: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (tmp_path / "run").mkdir()
    with private_mounts():
        driver = choose(root, tmp_path / "run", LINUX, wanted)
        assert driver.layers() == driver.keys() == []
        writer = driver.layer_writer()
        writer.write(bytes(1024))
        writer.commit("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")
        assert choose(root, tmp_path / "run", LINUX).name == driver.name
        assert layer_store(driver.name, root).layers() == driver.layers()
        driver.sweep([])
    assert choose(root, tmp_path / "run", Refusing()).name == driver.name  # tried before on this machine
    (tmp_path / "run" / "storage" / "driver").unlink()
    with pytest.raises(Unavailable):
        choose(root, tmp_path / "run", Refusing())
