from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.cli import archive_file
from carrack.cli.archive_file import from_file, to_file
from carrack.errors import InvalidArgument


def test_files(tmp_path: Path) -> None:
    to_file(str(tmp_path / "f"), iter([b"a", b"b"]))
    assert b"".join(from_file(str(tmp_path / "f"))) == b"ab"

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise InvalidArgument("lost")

    with pytest.raises(InvalidArgument, match="lost"):
        to_file(str(tmp_path / "f"), broken())
    assert (tmp_path / "f").read_bytes() == b"ab"
    assert os.listdir(tmp_path) == ["f"]
    with pytest.raises(InvalidArgument, match="no such file or directory"):
        to_file(str(tmp_path / "no" / "f"), iter([]))
    to_file("/dev/null", iter([b"x"]))


def test_no_tar_is_read_for_it() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import carrack.cli.archive_file; print(*sys.modules)"
    source = str(Path(archive_file.__file__).parents[2])
    done = subprocess.run([sys.executable, "-IS", "-c", code, source], capture_output=True, text=True, check=True)
    assert not {"os", "tarfile"} & set(done.stdout.split())
