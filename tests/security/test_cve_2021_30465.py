"""CVE-2021-30465: a container exchanges the directory below which its sibling's mount is made for a link to the host.

Both share a volume. A runtime that makes the mount point, and then mounts on its name, mounts on the host's directory.
The first test does that and sees it succeed. (The runtime alone: test_runtime_escapes.py.)
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.fakes.sandbox import run_apart
from tests.security.racer import exchanging

from carrack.linux.mount import read_mountinfo
from carrack.linux.namespaces import CLONE_NEWNS
from carrack.linux.syscalls import LINUX

pytestmark = pytest.mark.root


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A volume with a directory and a link to the host's ``canary``, which the attacker exchanges."""
    (tmp_path / "canary" / "point").mkdir(parents=True)
    (tmp_path / "volume" / "way" / "point").mkdir(parents=True)
    (tmp_path / "volume" / "link").symlink_to(tmp_path / "canary")
    return tmp_path / "volume"


def test_a_mount_by_name_follows_the_link(shared: Path) -> None:
    def work() -> None:
        os.rename(shared / "link", shared / "other")
        LINUX.mount("tmpfs", str(shared / "other" / "point"), "tmpfs", 0)
        points = [info.mount_point for info in read_mountinfo(Path("/proc/self/mountinfo").read_text())]
        assert str(shared.parent / "canary" / "point") in points

    run_apart(work, CLONE_NEWNS)


def test_mounts_stay_below_the_root(docker: Cli, image: str, shared: Path) -> None:
    words = ["-v", f"{shared}:/v", "--tmpfs", "/v/way/point", "-v", "vol:/v/way/volume"]
    docker("create", "--name", "one", "--network", "none", *words, image, "cat", "/proc/self/mountinfo")
    with exchanging(shared / "way", shared / "link"):
        for _ in range(12):
            done = docker("start", "-a", "one", check=False)
            points = [info.mount_point for info in read_mountinfo(done.stdout)] if done.returncode == 0 else []
            assert not [point for point in points if "canary" in point]
    assert os.listdir(shared.parent / "canary") == ["point"]
    assert os.listdir(shared.parent / "canary" / "point") == []
