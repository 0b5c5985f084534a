from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.rooted import RootedKernel

from carrack.runtime import inroot


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root/real/deep").mkdir(parents=True)
    (tmp_path / "root/absolute").symlink_to("/real")
    (tmp_path / "root/out").symlink_to("../../../../../../tmp")
    (tmp_path / "root/dangling").symlink_to("/nothing/there")
    (tmp_path / "root/file").touch()
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


@pytest.fixture
def kernel(tmp_path: Path) -> RootedKernel:
    return RootedKernel(tmp_path)


def where(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}").partition("/root")[2]
    finally:
        os.close(fd)


def test_links_are_followed_inside_the_root_only(kernel: RootedKernel, root: int) -> None:
    assert where(inroot.resolve(kernel, root, "/absolute/deep")) == "/real/deep"
    assert where(inroot.resolve(kernel, root, "../../real")) == "/real"
    with pytest.raises(FileNotFoundError) as caught:
        inroot.resolve(kernel, root, "/out")
    assert caught.value.filename == "/out"
    with pytest.raises(OSError, match="symbolic links"):
        inroot.resolve(kernel, root, "/absolute/deep", follow=False)


def test_directories_are_made_where_the_links_lead_inside(kernel: RootedKernel, root: int, tmp_path: Path) -> None:
    assert where(inroot.make_directories(kernel, root, "absolute/new/newer")) == "/real/new/newer"
    (tmp_path / "root/tmp").mkdir()
    assert where(inroot.make_directories(kernel, root, "/out/made-inside")) == "/tmp/made-inside"
    assert not Path("/tmp/made-inside").exists()
    assert where(inroot.make_directories(kernel, root, "/")) == ""


def test_a_link_that_leads_nowhere_is_not_followed_by_making_its_target(
    kernel: RootedKernel, root: int, tmp_path: Path
) -> None:
    for make in (inroot.make_directories, inroot.make_file):
        with pytest.raises(OSError, match=r"leads nowhere|File exists|making a mount point"):
            make(kernel, root, "/dangling")
    with pytest.raises(OSError, match="leads nowhere"):
        inroot.make_directories(kernel, root, "/dangling/below")
    assert not (tmp_path / "root/nothing").exists()


def test_a_file_is_made_once_with_its_parents(kernel: RootedKernel, root: int, tmp_path: Path) -> None:
    assert where(inroot.make_file(kernel, root, "/new/mount/point")) == "/new/mount/point"
    (tmp_path / "root/new/mount/point").write_text("kept")
    assert where(inroot.make_file(kernel, root, "/new/mount/point")) == "/new/mount/point"
    assert (tmp_path / "root/new/mount/point").read_text() == "kept"
    with pytest.raises(OSError, match=r"[Nn]ot a directory"):
        inroot.make_directories(kernel, root, "/file/below")


@given(st.text(alphabet="ab./", max_size=20))
def test_a_clean_path_stays_below_the_root(path: str) -> None:
    cleaned = inroot.clean(path)
    assert cleaned.startswith("/")
    assert not {"", ".", ".."} & set(cleaned.split("/")[1:]) or cleaned == "/"
    assert inroot.clean(cleaned) == cleaned


def test_kernel_files_are_only_taken_from_procfs(kernel: RootedKernel, tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys/value").touch()
    (tmp_path / "self").symlink_to("1")
    procfs = inroot.Procfs(kernel)
    with pytest.raises(OSError, match="file system") as caught:
        procfs.open("sys/value", os.O_WRONLY)
    assert caught.value.filename == "/proc/sys/value"
    with pytest.raises(OSError, match="Invalid cross-device") as failed:
        procfs.write("sys/value", "1")
    assert failed.value.filename == "/proc/sys/value"
    assert (tmp_path / "sys/value").read_text() == ""
    procfs.close()
