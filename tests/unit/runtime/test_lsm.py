from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carrack.errors import InvalidArgument, NotSupported
from carrack.runtime import lsm


class Labels:
    """procfs as far as labels go; what is missing is not found."""

    def __init__(self, *paths: str, deaf: bool = False) -> None:
        self.values = dict.fromkeys(paths, "")
        self.deaf = deaf

    def write(self, path: str, text: str) -> None:
        if path not in self.values:
            raise FileNotFoundError(2, "No such file", path)
        if not self.deaf:
            self.values[path] = text

    def read(self, path: str) -> str:
        return self.values[path]


def test_a_label_that_nothing_enforces_is_refused(tmp_path: Path) -> None:
    lsm.check({}, sys_root=str(tmp_path))
    with pytest.raises(NotSupported, match="AppArmor is not enabled"):
        lsm.check({"apparmorProfile": "docker-default"}, sys_root=str(tmp_path))
    with pytest.raises(NotSupported, match="SELinux is not enabled"):
        lsm.check({"selinuxLabel": "a:b:c"}, sys_root=str(tmp_path))
    with pytest.raises(NotSupported, match="'a:b:c' is asked for, but SELinux is not enabled"):
        lsm.check({}, "a:b:c", str(tmp_path))
    (tmp_path / "module/apparmor/parameters").mkdir(parents=True)
    (tmp_path / "module/apparmor/parameters/enabled").write_text("Y\n")
    (tmp_path / "fs/selinux").mkdir(parents=True)
    (tmp_path / "fs/selinux/enforce").write_text("1")
    lsm.check({"apparmorProfile": "docker-default", "selinuxLabel": "a:b:c"}, "a:b:c", str(tmp_path))


def test_labels_are_written_where_the_kernel_has_them() -> None:
    new: Any = Labels("self/attr/apparmor/exec", "self/attr/exec")
    lsm.apply({"apparmorProfile": "p"}, new)
    assert new.values["self/attr/apparmor/exec"] == "exec p"
    old: Any = Labels("self/attr/exec")
    lsm.apply({"apparmorProfile": "p"}, old)
    assert old.values["self/attr/exec"] == "exec p"
    lsm.apply({"selinuxLabel": "l"}, old)
    assert old.values["self/attr/exec"] == "l"


def test_the_keyring_is_the_programs_where_it_can_be() -> None:
    new: Any = Labels("self/attr/keycreate")
    lsm.label_keyring({"selinuxLabel": "l"}, new)
    assert new.values["self/attr/keycreate"] == "l"
    lsm.label_keyring({"selinuxLabel": "l"}, Labels())  # type: ignore[arg-type]
    lsm.label_keyring({}, None)  # type: ignore[arg-type]


def test_a_profile_that_is_not_loaded_is_named() -> None:
    new: Any = Labels()
    with pytest.raises(InvalidArgument, match=r"unable to apply apparmor profile 'p': .*apparmor_parser"):
        lsm.apply({"apparmorProfile": "p"}, new)


def test_cve_2025_52881_a_label_that_did_not_take_is_an_error() -> None:
    deaf: Any = Labels("self/attr/exec", deaf=True)
    with pytest.raises(OSError, match="did not take"):
        lsm.apply({"selinuxLabel": "l"}, deaf)
