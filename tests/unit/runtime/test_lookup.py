from __future__ import annotations

from pathlib import Path

import pytest

from carrack.errors import Forbidden, NotFound
from carrack.runtime.lookup import find_executable


@pytest.fixture
def path(tmp_path: Path) -> str:
    for directory in ("one", "two"):
        (tmp_path / directory).mkdir()
    (tmp_path / "one/tool").write_text("not executable")
    (tmp_path / "one/folder").mkdir()
    for name in ("tool", "folder", "other"):
        (tmp_path / "two" / name).touch(0o755)
    return f"{tmp_path}/one:{tmp_path}/two"


def test_the_first_that_can_be_executed_is_taken(path: str, tmp_path: Path) -> None:
    for name in ("tool", "folder", "other"):
        assert find_executable(name, {"PATH": path}) == f"{tmp_path}/two/{name}"


def test_a_name_with_a_slash_is_not_searched(path: str, tmp_path: Path) -> None:
    assert find_executable(f"{tmp_path}/two/tool", {}) == f"{tmp_path}/two/tool"


@pytest.mark.parametrize("name", ["nothing", "", "tool"])
def test_what_is_not_on_the_path_is_not_found(name: str) -> None:
    with pytest.raises(NotFound, match=r'^exec: ".*": executable file not found in \$PATH$'):
        find_executable(name, {"PATH": "/nowhere"} if name else {})


def test_the_words_for_files_that_cannot_be_executed(path: str, tmp_path: Path) -> None:
    where = str(tmp_path)
    with pytest.raises(NotFound, match=f'^exec: "{where}/x": stat {where}/x: no such file or directory$'):
        find_executable(f"{where}/x", {})
    with pytest.raises(Forbidden, match=f'^exec: "{where}/one": is a directory: permission denied$'):
        find_executable(f"{where}/one", {})
    with pytest.raises(Forbidden, match=f'^exec: "{where}/one/tool": permission denied$'):
        find_executable(f"{where}/one/tool", {})
    with pytest.raises(NotFound, match="not a directory"):
        find_executable(f"{where}/one/tool/x", {})


def test_the_current_directory_is_no_place_to_search(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "two")
    with pytest.raises(Forbidden, match="relative to current directory"):
        find_executable("tool", {"PATH": ":/nowhere"})
