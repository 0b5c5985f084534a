"""What one RUN has for itself: its files; with mounts in tests/cli/test_build.py."""

import os
from pathlib import Path

import pytest

from carrack.engine.build import scratch


def test_a_file_is_as_asked(tmp_path: Path) -> None:
    path = scratch.write(tmp_path, "0", b"secret", 0o440, 5, 6)
    found = path.stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid, path.read_bytes()) == (0o440, 5, 6, b"secret")
    with pytest.raises(FileExistsError):
        scratch.write(tmp_path, "0", b"", 0o400)


class NoSnapshots:
    """Plays a snapshotter that has none."""

    def remove(self, key: str) -> None:
        assert key.startswith("build-")


def test_sweep(tmp_path: Path) -> None:
    (tmp_path / "build-left" / "x").mkdir(parents=True)
    places = scratch.Scratch(tmp_path, NoSnapshots())  # type: ignore[arg-type]
    places.sweep()
    assert os.listdir(tmp_path) == []
    scratch.Scratch(tmp_path / "none", NoSnapshots()).sweep()  # type: ignore[arg-type]
