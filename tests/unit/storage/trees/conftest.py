"""The same files as each kind of tree."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage.content import ContentStore
from carrack.storage.trees.base import Tree
from carrack.storage.trees.folder import FolderTree
from carrack.storage.trees.tarred import TarTree, receive

#: path → text of a file, None for a folder, bytes for a link's target
Files = dict[str, str | bytes | None]
Make = Callable[[Files], Tree]


def archive(files: Files) -> bytes:
    """A tar of these, all of root, from 1970."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.mode = 0o755 if content is None else 0o644
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, bytes):
                info.type, info.linkname = tarfile.SYMTYPE, os.fsdecode(content)
            data = content.encode() if isinstance(content, str) else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tarred(tmp_path: Path, data: bytes) -> TarTree:
    """A tree of a tar."""
    return receive(io.BytesIO(data), ContentStore(tmp_path / "content").ingest(4096))


@pytest.fixture(params=["tar", "folder"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a tree of either kind out of files."""
    made: list[Tree] = []

    def folder(files: Files) -> Tree:
        top = tmp_path / f"top{len(made)}"
        top.mkdir()
        for path, content in files.items():
            place = top / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                place.mkdir(exist_ok=True)
            elif isinstance(content, bytes):
                place.symlink_to(os.fsdecode(content))
            else:
                place.write_text(content)
                place.chmod(0o644)
        return FolderTree(LINUX, os.open(top, os.O_PATH | os.O_DIRECTORY))

    def build(files: Files) -> Tree:
        tree = tarred(tmp_path, archive(files)) if request.param == "tar" else folder(files)
        made.append(tree)
        return tree

    yield build
    for tree in made:
        tree.close()
