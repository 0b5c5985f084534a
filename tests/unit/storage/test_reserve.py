from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from carrack.storage.reserve import FILES, SPACE, Reserve


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    return Reserve(tmp_path / "reserve")


def test_it_is_really_allocated_and_really_given_back(reserve: Reserve, tmp_path: Path) -> None:
    assert reserve.keep()
    assert len(list((tmp_path / "reserve").iterdir())) == FILES + 1
    assert (tmp_path / "reserve/space").stat().st_blocks * 512 >= SPACE
    assert reserve.release()
    assert not (tmp_path / "reserve").exists()
    assert not reserve.release()


def test_one_that_a_crash_left_half_is_completed(reserve: Reserve, tmp_path: Path) -> None:
    (tmp_path / "reserve").mkdir()
    (tmp_path / "reserve/space").touch()
    assert reserve.keep()
    assert (tmp_path / "reserve/space").stat().st_blocks * 512 >= SPACE


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_what_there_is_of_it_is_kept_and_the_rest_taken_later(
    reserve: Reserve, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.posix_fallocate

    def nearly_full(fd: int, start: int, size: int) -> None:
        if size > SPACE // 2:
            raise OSError(number, os.strerror(number))
        really(fd, start, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", nearly_full)
        assert not reserve.keep()
        assert (tmp_path / "reserve/space").stat().st_size == SPACE // 2
        assert not reserve.keep()
        assert (tmp_path / "reserve/space").stat().st_size == SPACE // 2
    assert reserve.keep()
    assert (tmp_path / "reserve/space").stat().st_blocks * 512 >= SPACE


def test_other_failures_are_told(reserve: Reserve, tmp_path: Path) -> None:
    (tmp_path / "reserve").write_text("in the way")
    with pytest.raises(FileExistsError, match="reserve"):
        reserve.keep()
