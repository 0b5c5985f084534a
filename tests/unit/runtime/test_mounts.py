"""Which mounts are made, where and how, on a recording kernel; their effect: tests/root/test_runtime_inside.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.rooted import RootedKernel

from carrack.errors import InvalidArgument
from carrack.linux import mount as words
from carrack.runtime.mounts import Mounter, is_bind, open_source


class Site:
    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        (directory / "empty").mkdir()
        (directory / "source").mkdir()
        (directory / "source/file").touch()
        (self.root / "proc").mkdir(parents=True)
        self.kernel = RootedKernel(directory / "empty")
        self.source = str(directory / "source")
        self.fd = os.open(self.root, os.O_PATH)
        self.mounter = Mounter(self.kernel, self.fd, default_propagation=words.MS_SLAVE, cgroup_namespace=False)

    def mount(self, destination: str, *options: str, **fields: str) -> list[Any]:
        self.kernel.calls.clear()
        mount: Any = {"destination": destination, "options": list(options), **fields}
        self.mounter.attach_all([mount], {})
        return [call[1] for call in self.kernel.named("move_mount")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    os.close(made.fd)


def test_a_bind_leaves_its_peer_group_before_it_is_attached(site: Site) -> None:
    assert site.mount("/data", "rbind", "ro", source=site.source) == [f"{site.root}/data"]
    kinds = [call[0] for call in site.kernel.calls if call[0] != "openat2"]
    assert kinds == ["open_tree", "mount_setattr", "mount_setattr", "move_mount"]
    slave, read_only = site.kernel.named("mount_setattr")
    assert slave == ("mount_setattr", 0, 0, words.MS_SLAVE, True)
    assert read_only == ("mount_setattr", words.MOUNT_ATTR_RDONLY, 0, 0, False)


def test_a_shared_bind_stays_shared(site: Site) -> None:
    site.mount("/data", "rbind", "rshared", source=site.source)
    assert site.kernel.named("mount_setattr") == [("mount_setattr", 0, 0, words.MS_SHARED, True)]


def test_a_recursive_read_only_bind_and_access_times(site: Site) -> None:
    site.mount("/data", "rbind", "rro", "noatime", source=site.source)
    attributes = site.kernel.named("mount_setattr")[1:]
    noatime = ("mount_setattr", words.MOUNT_ATTR_NOATIME, words.MOUNT_ATTR__ATIME, 0, False)
    assert attributes == [noatime, ("mount_setattr", words.MOUNT_ATTR_RDONLY, 0, 0, True)]


def test_a_bound_file_gets_a_file_to_be_mounted_on(site: Site) -> None:
    site.mount("/etc/one", "bind", source=f"{site.source}/file")
    assert (site.root / "etc/one").is_file()
    assert site.kernel.named("open_tree")[0][2] == words.OPEN_TREE_CLONE


def test_a_file_system_is_made_with_its_source_and_data(site: Site) -> None:
    site.mount("/scratch", "size=64k", "noexec", "nosuid", type="tmpfs", source="shm")
    attributes = words.MOUNT_ATTR_NOEXEC | words.MOUNT_ATTR_NOSUID
    assert site.kernel.named("new_mount") == [("new_mount", "tmpfs", (("source", "shm"), ("size", "64k")), attributes)]


def test_a_label_is_of_all_that_is_the_containers_own(site: Site) -> None:
    site.mounter = Mounter(
        site.kernel, site.fd, default_propagation=words.MS_SLAVE, cgroup_namespace=False, label="u:r:t:s0:c1,c2"
    )
    site.mount("/scratch", type="tmpfs")
    assert ("context", "u:r:t:s0:c1,c2") in _options(site)
    site.mount("/sys", type="sysfs")
    assert all(key != "context" for key, _ in _options(site))


def _options(site: Site) -> Any:
    [made] = site.kernel.named("new_mount")
    return made[2]


def test_a_read_only_dev_is_so_at_the_end(site: Site) -> None:
    site.mount("/dev", "ro", type="tmpfs", source="tmpfs")
    assert site.kernel.named("new_mount")[0][3] == 0
    site.mounter.finish()
    assert site.kernel.named("mount_setattr")[-1] == ("mount_setattr", words.MOUNT_ATTR_RDONLY, 0, 0, False)


def test_procfs_wants_an_ordinary_directory(site: Site) -> None:
    assert site.mount("/proc", type="proc") == [f"{site.root}/proc"]
    (site.root / "proc").rmdir()
    (site.root / "proc").symlink_to("/etc")
    with pytest.raises(OSError, match="must be mounted on an ordinary directory"):
        site.mount("/proc", type="proc")


@pytest.mark.parametrize("destination", ["/proc", "/proc/sys", "/proc/../proc/self", "/proc/meminfo/x"])
def test_nothing_else_goes_on_procfs(site: Site, destination: str) -> None:
    with pytest.raises(InvalidArgument, match="proc"):
        site.mount(destination, "rbind", source=site.source)
    assert site.kernel.named("move_mount") == []


def test_the_root_itself_is_no_mount_point(site: Site) -> None:
    with pytest.raises(InvalidArgument, match="hide the container's own root"):
        site.mount("/x/..", "rbind", source=site.source)


def test_a_failure_names_source_destination_and_reason(site: Site) -> None:
    with pytest.raises(OSError, match="mounting '/not/there' to '/data': no such file or directory") as caught:
        site.mount("/data", "rbind", source="/not/there")
    assert isinstance(caught.value, FileNotFoundError)
    site.kernel.fail("new_mount", OSError(22, "mount fancy: bad option", "fancy"))
    with pytest.raises(OSError, match="mount fancy: bad option"):
        site.mount("/data", type="fancy")


def test_what_is_incomplete_is_refused(site: Site) -> None:
    with pytest.raises(InvalidArgument, match="neither a type nor the option bind"):
        site.mount("/data")
    with pytest.raises(InvalidArgument, match="not an absolute path"):
        open_source(site.kernel, {"destination": "/x", "source": "relative", "options": ["bind"]})
    with pytest.raises(InvalidArgument, match="must be opened beforehand"):
        site.mount("/data", "rbind", "idmap", source=site.source)
    with pytest.raises(InvalidArgument, match="tmpcopyup"):
        site.mount("/data", "tmpcopyup", type="ramfs")


def test_binds_are_known_by_type_or_option() -> None:
    assert is_bind({"destination": "/x", "type": "bind"})
    assert is_bind({"destination": "/x", "type": "none", "options": ["rbind"]})
    assert not is_bind({"destination": "/x", "type": "tmpfs", "options": ["ro"]})
