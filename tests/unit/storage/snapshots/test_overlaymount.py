from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.errors import InvalidArgument
from carrack.storage.snapshots.overlaymount import OverlayMounter, forget_volatile

OPTIONS = [("metacopy", "off"), ("redirect_dir", "nofollow"), ("index", "off"), ("xino", "off")]
Option = tuple[str, str | int | None]


class Recorder(FakeKernel):
    """Keeps what would be mounted, with links resolved as they were at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[Option] = []
        self.data = ""
        self.resolved: list[str] = []

    def new_mount(self, fstype: str, options: Sequence[Option], attributes: int = 0) -> int:
        self.options = list(options)
        self.resolved = [os.path.realpath(str(value)) for key, value in options if "dir" in key and value != "nofollow"]
        return 7

    def mount(self, source: str | None, target: str, fstype: str | None, flags: int, data: str | None = None) -> None:
        self.data = data or ""
        assert Path(target).is_dir()


def test_one_by_one(tmp_path: Path) -> None:
    kernel = Recorder()
    mounter = OverlayMounter(tmp_path, kernel, one_by_one=True)
    assert mounter.mount([Path("/top"), Path("/base")], Path("/u"), Path("/w")) == 7
    assert kernel.options == [
        ("source", "overlay"),
        ("lowerdir+", "/top"),
        ("lowerdir+", "/base"),
        ("upperdir", "/u"),
        ("workdir", "/w"),
        *OPTIONS,
    ]
    mounter.mount([Path("/top"), Path("/base")])
    assert ("ro", None) in kernel.options


def test_one_that_need_not_last(tmp_path: Path) -> None:
    kernel = Recorder()
    OverlayMounter(tmp_path, kernel, one_by_one=True).mount([Path("/base")], Path("/u"), Path("/w"), lasting=False)
    assert ("volatile", None) in kernel.options
    OverlayMounter(tmp_path, kernel, one_by_one=False).mount([Path("/base")], Path("/u"), Path("/w"), lasting=False)
    assert kernel.data.endswith(",volatile")
    (tmp_path / "work" / "work" / "incompat" / "volatile").mkdir(parents=True)
    for _ in range(2):
        forget_volatile(tmp_path / "work")
        assert os.listdir(tmp_path / "work" / "work") == []


def test_long_names_go_by_short_links_that_do_not_stay(tmp_path: Path) -> None:
    kernel = Recorder()
    deep = tmp_path / ("n" * 200) / ("m" * 200)
    deep.mkdir(parents=True)
    mounter = OverlayMounter(tmp_path / "run", kernel, one_by_one=True)
    mounter.mount([deep], tmp_path, tmp_path)
    assert kernel.resolved == [str(deep), str(tmp_path), str(tmp_path)]
    assert all(len(str(value)) < 200 for _, value in kernel.options)
    assert list((tmp_path / "run/o").iterdir()) == []


def test_classic_options_are_short_and_limited(tmp_path: Path) -> None:
    kernel = Recorder()
    mounter = OverlayMounter(tmp_path / "a:b,c", kernel, one_by_one=False)
    mounter.mount([Path("/top"), Path("/base")], Path("/u"), Path("/w"))
    assert re.match(r"lowerdir=/proc/self/fd/\d+/0:/proc/self/fd/\d+/1,upperdir=/proc/self/fd/\d+/2,", kernel.data)
    assert "redirect_dir=nofollow" in kernel.data
    mounter.mount([Path("/x")] * 150, Path("/u"), Path("/w"))
    with pytest.raises(InvalidArgument, match=r"before 6\.8"):
        mounter.mount([Path("/x")] * 400)
    with pytest.raises(InvalidArgument, match="500"):
        mounter.mount([Path("/x")] * 501)
    assert list((tmp_path / "a:b,c/o").iterdir()) == []


def test_a_label_is_of_all_files(tmp_path: Path) -> None:
    kernel = Recorder()
    new, classic = (OverlayMounter(tmp_path, kernel, one_by_one=each) for each in (True, False))
    new.mount([Path("/top")], Path("/u"), Path("/w"), label="u:r:t:s0:c1,c2")
    assert ("context", "u:r:t:s0:c1,c2") in kernel.options
    classic.mount([Path("/top")], Path("/u"), Path("/w"), label="u:r:t:s0:c1,c2")
    assert kernel.data.endswith(',context="u:r:t:s0:c1,c2"')


def test_sweep_removes_what_a_crash_left(tmp_path: Path) -> None:
    mounter = OverlayMounter(tmp_path, Recorder(), one_by_one=True)
    (tmp_path / "o/123456/m").mkdir(parents=True)
    mounter.sweep()
    assert list((tmp_path / "o").iterdir()) == []
