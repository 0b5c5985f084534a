"""Trees as tars."""

import io
import os
import tarfile
from pathlib import Path

from carrack.linux.syscalls import LINUX
from carrack.storage.trees.archive import write_tree
from carrack.storage.trees.folder import FolderTree


def test_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir(mode=0o750)
    (tmp_path / "b" / "f").write_bytes(b"x" * 700)
    (tmp_path / "a").symlink_to("b/f")
    os.link(tmp_path / "b" / "f", tmp_path / "n")
    os.mkfifo(tmp_path / "p")
    (tmp_path / "q").write_bytes(b"q")
    (tmp_path / "r").write_bytes(b"r")
    os.utime(tmp_path / "b" / "f", (9, 9))
    tree = FolderTree(LINUX, os.open(tmp_path, os.O_PATH))
    out = io.BytesIO()
    write_tree(tree, out.write, newest=7)
    tree.close()
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        found = archive.getmembers()
        assert [member.name for member in found] == ["a", "b", "b/f", "n", "p", "q", "r"]
        assert found[0].linkname == "b/f"
        assert found[1].mode == 0o750
        assert found[2].mtime == 7
        assert (found[3].islnk(), found[3].linkname) == (True, "b/f")
        assert found[4].isfifo()
        assert [found[5].isreg(), found[6].isreg()] == [True, True]
        file = archive.extractfile(found[2])
        assert file is not None
        assert file.read() == b"x" * 700
