"""Alone; in a stack it is tested by the contract suite."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.implicit import mend
from carrack.storage.snapshots.layerdirs import LayerNotes
from carrack.storage.snapshots.skeleton import PLAIN

pytestmark = pytest.mark.root


def test_lower_attributes_own_parents_links_and_opaque_ones(tmp_path: Path) -> None:
    below, layer, target = (tmp_path / name for name in ("below", "layer", "target"))
    for name in ("srv/web", "covered/in", "same"):
        (below / name).mkdir(parents=True)
    os.symlink("srv", below / "link")
    os.chmod(below / "srv", 0o2770)
    os.chown(below / "srv/web", 5, 6)
    for name in ("srv/web", "covered/in", "link", "new", "same", "only/hiding"):
        (layer / name).mkdir(parents=True)
    os.chmod(layer / "srv", 0o700)
    os.setxattr(layer / "covered", "trusted.overlay.opaque", b"y")
    target.mkdir()
    notes = LayerNotes((b"srv/web", b"covered/in", b"link", b"new"), (b"same", b"only/hiding"), False, False, 0)
    fds = [os.open(path, os.O_RDONLY) for path in (below, layer)]
    try:
        mend(target, notes, PLAIN, below_fd=fds[0], layer_fd=fds[1], kernel=LINUX)
    finally:
        for fd in fds:
            os.close(fd)
    made = sorted(str(path.relative_to(target)) for path in target.rglob("*"))
    assert made == ["only", "only/hiding", "srv", "srv/web"]
    assert stat.S_IMODE((target / "srv").stat().st_mode) == 0o700  # the layer describes it
    assert ((target / "srv/web").stat().st_uid, (target / "srv/web").stat().st_gid) == (5, 6)
