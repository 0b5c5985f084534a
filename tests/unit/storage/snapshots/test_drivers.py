"""Names and kernels' versions; that the drivers work is what tests/root/test_snapshots.py shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from carrack.errors import InvalidArgument
from carrack.storage.snapshots.drivers import (
    DRIVERS,
    file_mounts_are_safe,
    find,
    open_layers,
    store,
    takes_lowers_one_by_one,
    with_layers,
)


def test_names_of_ours_and_of_others() -> None:
    assert [find(name) for name in DRIVERS] == list(DRIVERS)
    assert [find(name) for name in ("overlay2", "overlayfs", "vfs", "native")] == ["overlay", "overlay", "copy", "copy"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("aufs", "never became part of Linux"),
        ("devicemapper", "--storage-opt size"),
        ("zfs", r"works with overlay .* or fuse-overlayfs"),
        ("windowsfilter", "of Windows"),
        ("lcow", "on Windows"),
        ("nosuch", "unknown storage driver 'nosuch'"),
    ],
)
def test_refusals_say_why_and_what_to_use(name: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason) as caught:
        find(name)
    assert f"choose one of {', '.join(DRIVERS)}" in str(caught.value)


def test_layers_are_found_where_their_drivers_keep_them(tmp_path: Path) -> None:
    for name in sorted({store(driver) for driver in DRIVERS}):
        root = tmp_path / name
        layers = open_layers(name, root)
        assert with_layers(root) == []
        writer = layers.layer_writer()
        writer.write(bytes(1024))
        writer.commit("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")
        assert with_layers(root) == [driver for driver in DRIVERS if store(driver) == name]


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
