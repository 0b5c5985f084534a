"""Waiting for changes in a directory."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest
from tests.fakes.containers import run

from carrack.engine.containers import watch
from carrack.engine.containers.watch import Watch
from carrack.linux.syscalls import LINUX


def test_a_write_a_new_file_and_a_rename_are_seen(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "a").touch()
        with Watch(str(tmp_path)) as looked:
            for change in (
                lambda: (tmp_path / "a").write_text("x"),
                lambda: (tmp_path / "b").touch(),
                lambda: (tmp_path / "b").rename(tmp_path / "c"),
            ):
                asyncio.get_running_loop().call_later(0.01, change)
                await looked.changed()

    run(main)


def test_what_happened_before_the_wait_is_not_missed(tmp_path: Path) -> None:
    async def main() -> None:
        with Watch(str(tmp_path)) as looked:
            (tmp_path / "a").touch()
            await looked.changed()
            await looked.changed(timeout=0.01)

    run(main)


def test_another_future_ends_the_wait(tmp_path: Path) -> None:
    async def main() -> None:
        other = asyncio.get_running_loop().create_future()
        other.set_result(None)
        with Watch(str(tmp_path)) as looked:
            await looked.changed(other)

    run(main)


def test_without_an_instance_the_caller_looks_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted() -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(LINUX, "inotify_init", exhausted)
    monkeypatch.setattr(watch, "POLL_S", 0.001)

    async def main() -> None:
        other = asyncio.get_running_loop().create_future()
        with Watch(str(tmp_path)) as looked:
            await looked.changed()
            await looked.changed(other)
            other.set_result(None)
            await looked.changed(other, timeout=1000)

    run(main)


def test_the_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Watch(str(tmp_path / "gone"))
