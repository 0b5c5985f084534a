from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from carrack.client import paths


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "broken").symlink_to("none")
    os.mkfifo(tmp_path / "pipe")
    for name in (".", "file", "link", "broken", "pipe", "none", "file/below", "\0", "x" * 5000):
        path = f"{tmp_path}/{name}"
        asked = paths.exists(path), paths.is_folder(path), paths.is_file(path)
        assert asked == (os.path.exists(path), os.path.isdir(path), os.path.isfile(path)), name


@pytest.mark.parametrize("folder", ["", ".", "a", "a/", "/", "a//"])
@pytest.mark.parametrize("name", ["b", "/b", "b/", "", "../b"])
def test_names_in_folders(folder: str, name: str) -> None:
    assert paths.join(folder, name) == os.path.join(folder, name)


@pytest.mark.parametrize("name", ["a", "ä", "\udcff"])
def test_bytes(name: str) -> None:
    assert paths.encoded(name) == os.fsencode(name)


def test_it_needs_no_os() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import carrack.client.paths; print('os' in sys.modules)"
    source = str(Path(paths.__file__).parents[2])
    done = subprocess.run([sys.executable, "-IS", "-c", code, source], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
