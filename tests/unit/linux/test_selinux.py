"""What the policy's files say, and which files get which label; labels are kept in a dictionary here."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from carrack.linux import selinux

CONTEXTS = """# for containers
process = "system_u:system_r:container_t:s0"
content = "system_u:object_r:x_t:s0"
; nothing
file = "system_u:object_r:container_file_t:s0"
"""


def machine(root: Path, *, current: str = "system_u:system_r:init_t:s0\0", text: str = CONTEXTS) -> str:
    files = {
        "sys/fs/selinux/enforce": "1",
        "proc/self/attr/current": current,
        "etc/selinux/config": "# x\nSELINUX=enforcing\nSELINUXTYPE=mcs\n",
        "etc/selinux/mcs/contexts/lxc_contexts": text,
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return f"{root}/"


def test_a_machine_with_a_policy(tmp_path: Path) -> None:
    root = machine(tmp_path)
    assert selinux.enabled(root)
    found = selinux.contexts(root)
    assert found is not None
    assert found.process == "system_u:system_r:container_t:s0"
    assert found.file == found.read_only == "system_u:object_r:container_file_t:s0"
    own = tmp_path / "usr/share/containers/selinux/contexts"
    own.parent.mkdir(parents=True)
    own.write_text('process="a:b:c:s0"\nfile="d:e:f:s0"\nro_file="g:h:i:s0"\n')
    assert selinux.contexts(root) == ("a:b:c:s0", "d:e:f:s0", "g:h:i:s0")


def test_machines_without(tmp_path: Path) -> None:
    assert not selinux.enabled(f"{tmp_path}/")
    assert selinux.contexts(f"{tmp_path}/") is None
    root = machine(tmp_path, current="kernel\0", text='process = "a:b:c:s0"\n')
    assert not selinux.enabled(root)
    assert selinux.contexts(root) is None


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Path → label, as setxattr is asked for them."""
    given: dict[str, str] = {}

    def place(path: str | int) -> str:
        if isinstance(path, int):
            return os.readlink(f"/proc/self/fd/{path}")
        folder, _, name = path.rpartition("/")
        return f"{os.path.realpath(folder)}/{name}"

    def get(path: str | int, name: str, *, follow_symlinks: bool) -> bytes:
        if place(path) not in given:
            raise OSError(errno.ENODATA, "none")
        return given[place(path)].encode() + b"\0"

    def put(path: str | int, name: str, value: bytes, *, follow_symlinks: bool) -> None:
        assert (name, follow_symlinks) == ("security.selinux", isinstance(path, int))
        if place(path).endswith("odd"):
            raise OSError(errno.EINVAL, "invalid")
        given[place(path)] = value.rstrip(b"\0").decode()

    monkeypatch.setattr(os, "getxattr", get)
    monkeypatch.setattr(os, "setxattr", put)
    return given


def test_everything_below_is_labelled_and_no_link_followed(tmp_path: Path, labels: dict[str, str]) -> None:
    (tmp_path / "tree/a/b").mkdir(parents=True)
    (tmp_path / "tree/a/b/file").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "tree/link").symlink_to("../outside")
    selinux.relabel(str(tmp_path / "tree"), "u:r:t:s0")
    wanted = ("tree", "tree/a", "tree/a/b", "tree/a/b/file", "tree/link")
    assert labels == {str(tmp_path / name): "u:r:t:s0" for name in wanted}
    selinux.relabel(str(tmp_path / "outside"), "u:r:other:s0")
    assert labels[str(tmp_path / "outside")] == "u:r:other:s0"


def test_deep_trees_and_labels_that_are_refused(tmp_path: Path, labels: dict[str, str]) -> None:
    place = tmp_path / "deep"
    for _ in range(40):
        place = place / ("d" * 50)
    os.makedirs(place)
    (tmp_path / "deep/odd").touch()
    with pytest.raises(OSError, match="invalid"):
        selinux.relabel(str(tmp_path / "deep"), "u:r:t:s0")
    (tmp_path / "deep/odd").unlink()
    selinux.relabel(str(tmp_path / "deep"), "u:r:t:s0")
    assert labels[str(place)] == "u:r:t:s0"


def test_a_directory_of_ours_is_labelled_once(tmp_path: Path, labels: dict[str, str]) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/old").touch()
    selinux.adopt(str(tmp_path / "ours"), "u:r:t:s0")
    (tmp_path / "ours/new").touch()
    selinux.adopt(str(tmp_path / "ours"), "u:r:t:s0")
    assert set(labels) == {str(tmp_path / "ours"), str(tmp_path / "ours/old")}


def test_file_systems_without_labels_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object, **named: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(os, "getxattr", refuse)
    monkeypatch.setattr(os, "setxattr", refuse)
    selinux.relabel(str(tmp_path), "u:r:t:s0")


def test_what_is_the_systems_own_whatever_it_is_called(tmp_path: Path) -> None:
    for name in ("/", "/etc", "/home", "/usr", "/var/lib", "/etc/passwd"):
        assert selinux.is_kept(name)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    assert selinux.is_kept(str(tmp_path / "usr/bin"), f"{tmp_path}/")
    (tmp_path / "usr/own").mkdir()
    assert not selinux.is_kept(str(tmp_path / "usr/own"), f"{tmp_path}/")
