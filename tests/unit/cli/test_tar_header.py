from __future__ import annotations

import io
import tarfile

import pytest

from carrack.cli.tar_header import BLOCKS, END, FILE, FOLDER, LINK, SYMLINK, header


@pytest.mark.parametrize("name", ["a", "d/" + "x" * 97, "x" * 101, "ä", "\udcff", "a/" * 120 + "b"])
@pytest.mark.parametrize("owner", [(0, 0), (1000, 100), (8**7, 2**32 - 2)])
@pytest.mark.parametrize("size", [0, 5, 8**11])
def test_it_is_read_as_meant(name: str, owner: tuple[int, int], size: int) -> None:
    member = tarfile.open(fileobj=io.BytesIO(header(name, FILE, 0o4755, size, 77, "", owner))).next()
    assert member is not None
    assert (member.name, member.mode, member.size, member.mtime) == (name, 0o4755, size, 77)
    assert (member.isreg(), member.uid, member.gid) == (True, *owner)


def test_kinds() -> None:
    data = header("d/", FOLDER, 0o700, 0, -5) + header("s", SYMLINK, 0o777, 0, 1, "t" * 150)
    data += header("l", LINK, 0o600, 0, 1, "ö") + header("b", BLOCKS, 0o600, 0, 1, "", (0, 0), (8, 1000)) + END
    folder, symlink, link, device = tarfile.open(fileobj=io.BytesIO(data)).getmembers()
    assert (folder.name, folder.isdir(), folder.mtime) == ("d", True, -5)
    assert (symlink.issym(), symlink.linkname) == (True, "t" * 150)
    assert (link.islnk(), link.linkname) == (True, "ö")
    assert (device.isblk(), device.devmajor, device.devminor) == (True, 8, 1000)
