from __future__ import annotations

import os
import posix
import sys
import time
import types
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from carrack.cli.bundle import read
from carrack.cli.bundle_writer import write


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of some age in a package of its own."""
    path = tmp_path / "carrack" / "thing.py"
    path.parent.mkdir()
    path.write_text("value = 1\n")
    os.utime(path, (1e9, 1e9))
    path.chmod(0o640)
    spec = spec_from_file_location("carrack.thing", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "carrack.thing", module)
    return module


def folder(module: types.ModuleType) -> str:
    return os.path.dirname(str(module.__file__))


def test_what_is_written_can_be_read(module: types.ModuleType) -> None:
    path = folder(module) + "/new/x.bundle"
    assert write(path, folder(module), ["carrack.thing"])
    bundle = read(path)
    assert bundle is not None
    home, marks, [(name, inside, body)] = bundle
    assert (home, name, inside) == (folder(module), "carrack.thing", "/thing.py")
    assert marks == [(module.__file__, 10**18, len("value = 1\n"))]
    space: dict[str, object] = {}
    exec(body, space)
    assert space["value"] == 1
    assert os.stat(path).st_mode & 0o777 & ~0o640 == 0  # as the source's, and the umask's


@pytest.mark.parametrize("age", [0, 1, -100])
def test_what_is_just_being_edited_is_left_alone(module: types.ModuleType, age: int) -> None:
    path, now = str(module.__file__), time.time()
    os.utime(path, (now - age, now - age))
    assert not write(folder(module) + "/x.bundle", folder(module), ["carrack.thing"])
    assert not os.path.exists(folder(module) + "/x.bundle")


def test_what_may_not_be_written_is_no_failure(module: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = folder(module)
    assert not write(inside + "/thing.py/x.bundle", inside, ["carrack.thing"])
    assert not write(inside + "/none/new/x.bundle", inside, ["carrack.thing"])
    monkeypatch.setattr(posix, "access", lambda *_: False)
    assert not write(inside + "/x.bundle", inside, ["carrack.thing"])
    assert sorted({*os.listdir(inside)} - {"__pycache__"}) == ["thing.py"]


def test_what_is_no_source_of_the_package_is_left_alone(module: types.ModuleType) -> None:
    inside = folder(module)
    assert not write(inside + "/x.bundle", inside + "/other", ["carrack.thing"])
    assert not write(inside + "/x.bundle", inside, ["carrack.thing", "posix"])
    module.__spec__ = None
    assert not write(inside + "/x.bundle", inside, ["carrack.thing"])


def test_a_write_that_fails_leaves_nothing(module: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = folder(module)
    monkeypatch.setattr(posix, "write", lambda *_: 1)
    assert not write(inside + "/x.bundle", inside, ["carrack.thing"])
    assert not [name for name in os.listdir(inside) if name.startswith("x.bundle")]


def test_the_launchers_marks_what_led_to_the_package(module: types.ModuleType, tmp_path: Path) -> None:
    import carrack.cli.bundle as ours

    home = os.path.dirname(os.path.dirname(str(ours.__file__)))
    place = tmp_path / "place"
    place.mkdir()
    (place / "__editable__.carrack-1.pth").write_text("x")
    (place / "other.pth").write_text("x")
    done = write(str(place / "__pycache__" / "x.bundle"), home, ["carrack.cli.bundle"], str(place))
    bundle = read(str(place / "__pycache__" / "x.bundle"))
    if not done:
        pytest.skip("the module is being edited just now")
    assert bundle is not None
    assert [mark[0] for mark in bundle[1]] == [ours.__file__, str(place), str(place / "__editable__.carrack-1.pth")]
