from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.fakes.sandbox import run_apart

from carrack.linux.mount import AT_FDCWD, OPEN_TREE_CLONE
from carrack.linux.namespaces import CLONE_NEWNS
from carrack.linux.syscalls import LINUX
from carrack.runtime.idmap import user_namespace
from carrack.runtime.inroot import Procfs

pytestmark = pytest.mark.root


def test_a_mount_shows_other_owners(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def work() -> None:
        mapping: list[object] = [{"containerID": 0, "hostID": 5000, "size": 10}]
        space = user_namespace(LINUX, Procfs(LINUX), mapping, mapping)  # type: ignore[arg-type]
        tree = LINUX.open_tree(AT_FDCWD, str(tmp_path), OPEN_TREE_CLONE)
        LINUX.mount_setattr(tree, "", userns_fd=space)
        assert os.stat("file", dir_fd=tree).st_uid == 5000
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    run_apart(work, CLONE_NEWNS)
