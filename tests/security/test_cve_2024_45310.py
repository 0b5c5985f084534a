"""CVE-2024-45310: mount points that are missing are made on the host, through a link that came in between.

Two containers share a volume; one exchanges a directory of it for a link to the host while the other starts with a
file and a directory mounted below. The first test makes the mount points by name and sees them on the host.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.cli.running import Cli
from tests.security.racer import exchanging

pytestmark = pytest.mark.root


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "canary").mkdir()
    (tmp_path / "volume" / "way").mkdir(parents=True)
    (tmp_path / "volume" / "link").symlink_to(tmp_path / "canary")
    (tmp_path / "file").write_text("x")
    return tmp_path / "volume"


def test_a_mount_point_made_by_name_follows_the_link(shared: Path) -> None:
    os.makedirs(shared / "link" / "new" / "point")
    assert os.listdir(shared.parent / "canary") == ["new"]


def test_nothing_is_made_outside(docker: Cli, image: str, shared: Path) -> None:
    words = ["-v", f"{shared}:/v", "-v", f"{shared.parent}/file:/v/way/new/file", "--tmpfs", "/v/way/made/point"]
    docker("create", "--name", "one", "--network", "none", *words, image, "true")
    with exchanging(shared / "way", shared / "link"):
        for _ in range(12):
            docker("start", "-a", "one", check=False)
            assert os.listdir(shared.parent / "canary") == []
            for name in "new", "made":  # to be made again the next time
                shutil.rmtree(shared / "way" / name, ignore_errors=True)
    assert os.listdir(shared.parent / "canary") == []
