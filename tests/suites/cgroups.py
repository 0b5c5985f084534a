"""The contract of a cgroup hierarchy, run on recorded trees of both versions and on the machine's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from carrack.errors import InvalidArgument

if TYPE_CHECKING:
    from carrack.runtime.cgroups.hierarchy import Cgroup, Hierarchy

Exists = Callable[[str], bool]


def check_paths(hierarchy: Hierarchy) -> None:
    """A path that is the top, or climbs, is refused before anything is touched."""
    for path in ("/", "", "relative", "/a/../..", "/a/..", "/a\0b", "/" + "x" * 300):
        with pytest.raises(InvalidArgument):
            hierarchy.create(path)
        with pytest.raises(InvalidArgument):
            hierarchy.open(path)


def check_creation(hierarchy: Hierarchy, top: str, exists: Exists) -> None:
    """Made with its parents, made again without harm, seen by open; its parent outlives it."""
    cgroup = hierarchy.create(f"{top}/child")
    assert cgroup.path == f"{top}/child"
    assert exists(f"{top}/child")
    hierarchy.create(f"{top}/child")
    assert hierarchy.open(f"{top}//child").path == cgroup.path
    assert cgroup.processes() == []


def check_removal(hierarchy: Hierarchy, top: str, exists: Exists) -> None:
    """Removal takes it and what is below it, leaves its parent, and may be repeated."""
    hierarchy.create(f"{top}/gone/deep")
    cgroup = hierarchy.open(f"{top}/gone")
    cgroup.remove()
    assert not exists(f"{top}/gone")
    assert exists(top)
    cgroup.remove()


def check_members(hierarchy: Hierarchy, top: str) -> None:
    """A process is added, seen, stopped, let go, and killed with its children (on a real kernel only)."""
    cgroup = hierarchy.create(f"{top}/members")
    with subprocess.Popen(["sh", "-c", "read -r go; sleep 60 & wait"], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        cgroup.add(process.pid)
        assert cgroup.processes() == [process.pid]
        process.stdin.write(b"go\n")
        process.stdin.flush()
        cgroup.freeze()
        assert cgroup.frozen()
        cgroup.thaw()
        assert not cgroup.frozen()
        check_stats(cgroup)
        cgroup.freeze()
        cgroup.kill()
        assert process.wait(5) == -9
    assert cgroup.processes() == []
    cgroup.remove()


def check_stats(cgroup: Cgroup) -> None:
    """Every part has its shape; numbers are not negative."""
    stats = cgroup.stats()
    assert stats["version"] in (1, 2)
    assert stats["cpu"]["usage_ns"] >= 0
    assert cgroup.cpu.keys() == stats["cpu"].keys()
    assert stats["memory"]["usage"] >= 0
    assert stats["pids"]["current"] >= 1
    assert stats["oom_kills"] == cgroup.oom_kills()
    assert isinstance(stats["block"]["service_bytes"], list)


def check_rename(hierarchy: Hierarchy, top: str, exists: Exists) -> None:
    """The last name changes; another parent is refused on version 1, processes inside on version 2."""
    renamed = hierarchy.create(f"{top}/before").rename(f"{top}/after")
    assert renamed.path == f"{top}/after"
    assert exists(f"{top}/after")
    assert not exists(f"{top}/before")
    renamed.remove()


def check_clone(hierarchy: Hierarchy, top: str) -> None:
    """Version 2 gives a descriptor to clone into, version 1 none."""
    fd = hierarchy.create(f"{top}/cloned").clone_fd()
    assert (fd >= 0) == (hierarchy.version == 2)
    if fd >= 0:
        os.close(fd)
    hierarchy.open(f"{top}/cloned").remove()
