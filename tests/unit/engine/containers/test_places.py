"""Where a path of a stopped container lies, and what is mounted for looking at it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeSnapshotter, container, point, run

from carrack.engine.containers import places
from carrack.engine.containers.places import below
from carrack.engine.volumes.volume import Volume
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("path", "mount", "rest"),
    [
        ("/data", "/data", "/"), ("/data/", "/data", "/"), ("/data/.", "/data", "/."), ("data/x", "/data", "/x"),
        ("/database", "/data", None), ("/", "/data", None), ("/data/../etc", "/data", None),
        ("//data//x", "/data", "/x"), ("/a/../data/x", "/data", "/x"),
    ],
)  # fmt: skip
def test_below(path: str, mount: str, rest: str | None) -> None:
    assert below(path, mount) == rest


def opened(tmp_path: Path, path: str, *points: Any, **mounted: str) -> tuple[str, str]:
    snapshots: Any = FakeSnapshotter(tmp_path / "snapshots")
    c = container(1, mounts=list(points))
    snapshots.prepare(c.id, ())
    fd, rest, _ = places.open_root(snapshots, c, path, mounted)
    try:
        return os.readlink(f"/proc/self/fd/{fd}"), rest
    finally:
        os.close(fd)


def test_the_innermost_mount_is_meant(tmp_path: Path) -> None:
    for name in ("outer", "inner", "far"):
        (tmp_path / name / "sub").mkdir(parents=True)
    outer = point("/a", Source=str(tmp_path / "outer"))
    inner = point("/a/b", Source=str(tmp_path / "inner"), Subpath="sub")
    assert opened(tmp_path, "/a/b/c", outer, inner) == (str(tmp_path / "inner/sub"), "/c")
    assert opened(tmp_path / "2", "/a/c", outer, inner) == (str(tmp_path / "outer"), "/c")
    tmpfs = point("/a/t", Type="tmpfs", Source="")
    assert opened(tmp_path / "3", "/a/t/c", outer, tmpfs) == (str(tmp_path / "outer"), "/t/c")
    far = point("/f", Source="", Name="far", Driver="plug")
    assert opened(tmp_path / "4", "/f/c", far, far=str(tmp_path / "far")) == (str(tmp_path / "far"), "/c")
    assert opened(tmp_path / "5", "/etc", outer)[1] == "/etc"


def test_a_part_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/link").symlink_to("/etc")
    with pytest.raises(InvalidArgument, match="escapes the base directory"):
        opened(tmp_path, "/a/x", point("/a", Source=str(tmp_path / "volume"), Subpath="link"))


class FakeVolumes:
    def __init__(self) -> None:
        self.holds = self
        self.held: list[str] = []
        self.holders: set[str] = set()

    def to_mount(self, points: Any) -> list[Volume]:
        return [Volume(p["Name"], 1, driver="plug") for p in points if p["Driver"] == "plug"]

    async def take(self, wanted: list[Volume], holder: str) -> dict[str, str]:
        self.held += [volume.name for volume in wanted]
        self.holders.add(holder)
        return {volume.name: "/mnt" for volume in wanted}

    async def give_back(self, wanted: list[Volume], holder: str) -> None:
        for volume in wanted:
            self.held.remove(volume.name)


def test_mounted_as_long_as_it_is_looked_at() -> None:
    async def main() -> None:
        fake = FakeVolumes()
        volumes: Any = fake
        c = container(1, mounts=[point("/far", Name="far", Driver="plug"), point("/near")])
        for _ in range(2):
            async with places.mounted(volumes, c, "/far/x") as mounted:
                assert (mounted, fake.held) == ({"far": "/mnt"}, ["far"])
        assert fake.held == []
        assert len(fake.holders) == 2
        async with places.mounted(volumes, c, "/near/x") as mounted:
            assert (mounted, fake.held) == ({}, [])
        running: Any = object()
        c.shim = running
        assert places.to_mount(volumes, c, "/far/x") == []

    run(main)
