from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from carrack.client import config_file
from carrack.errors import InvalidArgument


def test_changes_leave_the_rest_and_are_laid_out_as_docker_does(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"psFormat": "a  b", "auths": {}}')
    path.chmod(0o644)
    with config_file.change(str(tmp_path)) as settings:
        settings["currentContext"] = "é"
    assert path.read_text() == '{\n\t"psFormat": "a  b",\n\t"auths": {},\n\t"currentContext": "é"\n}'
    assert path.stat().st_mode & 0o777 == 0o644
    with config_file.change(str(tmp_path), private=True):
        pass
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["config.json"]


def test_a_failed_change_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with config_file.change(str(folder)) as settings:
        settings["a"] = 1
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "config.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ZeroDivisionError), config_file.change(str(folder)) as settings:
        settings["a"] = 2 / 0
    assert config_file.load(str(folder)) == {"a": 1}


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/real.json").write_text("{}")
    (tmp_path / "config.json").symlink_to("kept/real.json")
    with config_file.change(str(tmp_path)) as settings:
        settings["a"] = 1
    assert (tmp_path / "config.json").is_symlink()
    assert json.loads((tmp_path / "kept/real.json").read_text()) == {"a": 1}


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(name: str) -> None:
        for number in range(20):
            with config_file.change(str(tmp_path)) as settings:
                settings[f"{name}{number}"] = 1

    threads = [threading.Thread(target=add, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(config_file.load(str(tmp_path))) == 40


@pytest.mark.parametrize(("text", "told"), [("{", "it is not JSON"), ("[]", "an object is expected")])
def test_what_is_no_configuration_is_refused_and_kept(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidArgument, match=told), config_file.change(str(tmp_path)):
        pass
    assert (tmp_path / "config.json").read_text() == text
