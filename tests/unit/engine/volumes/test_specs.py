"""The runtime spec's mounts of mount points, and the opening of parts of volumes and images."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.fakes.containers import container, point
from tests.fakes.kernel import FakeKernel

from carrack.engine.volumes.specs import open_part, part_of_view, spec_mounts
from carrack.errors import InvalidArgument
from carrack.linux.syscalls import LINUX


def test_the_specs_mounts() -> None:
    points = [
        point("/v", Source="/vol", RW=False),
        point("/b", Type="bind", Source="/srv", Mode="nonrecursive", Propagation="rslave"),
        point("/r", Type="bind", Source="/srv", RW=False, Propagation="rprivate"),
        point("/n", Type="bind", Source="/srv", RW=False, Mode="ro-nonrecursive", Propagation="rprivate"),
        point("/t", Type="tmpfs", Source=""),
    ]
    body = {
        "HostConfig": {
            "Tmpfs": {"/run/": "size=1m,,exec"},
            "Mounts": [
                {"Type": "tmpfs", "Target": "/t/", "ReadOnly": True,
                 "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o1777, "Options": [["exec"]]}}
            ],
        }
    }  # fmt: skip
    found = spec_mounts(container(1, body, mounts=points))
    base = ["noexec", "nosuid", "nodev"]
    assert [(m["destination"], m["type"], m["source"], m["options"]) for m in found] == [
        ("/v", "bind", "/vol", ["rbind", "rprivate", "ro"]),
        ("/b", "bind", "/srv", ["bind", "rslave"]),
        ("/r", "bind", "/srv", ["rbind", "rprivate", "rro"]),
        ("/n", "bind", "/srv", ["rbind", "rprivate", "ro"]),
        ("/t", "tmpfs", "tmpfs", [*base, "size=4096", "mode=1777", "exec", "ro"]),
        ("/run", "tmpfs", "tmpfs", [*base, "size=1m", "exec"]),
    ]


def test_volumes_that_were_mounted_elsewhere() -> None:
    points = [
        point("/v", Source="", Name="far", Driver="plug"),
        point("/i", Type="image", Source="", Name="busybox", RW=False),
    ]
    found = spec_mounts(container(1, mounts=points), {"far": "/mnt/far"})
    assert [(m["source"], m["options"]) for m in found] == [
        ("/mnt/far", ["rbind", "rprivate"]),
        ("busybox", ["rbind", "rprivate", "ro"]),
    ]


def test_a_tmpfs_of_another_container_keeps_its_options() -> None:
    (mount,) = spec_mounts(container(1, mounts=[point("/t", Type="tmpfs", Options=["size=1"], RW=False)]))
    assert mount["options"][3:] == ["size=1", "ro"]


class PartKernel(FakeKernel):
    """Clones by opening again; ``attached`` is needed for it to clone at all."""

    def __init__(self, attached: bool = True) -> None:
        super().__init__()
        self.attached = attached

    def openat2(self, dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
        return LINUX.openat2(dirfd, path, flags, mode, resolve)

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        super().open_tree(dirfd, path, flags)
        if not self.attached:
            raise OSError(errno.EINVAL, "open_tree: Invalid argument")
        return os.dup(dirfd)

    def move_mount(self, from_fd: int, to_fd: int, to_path: str = "") -> None:
        super().move_mount(from_fd, to_fd, to_path)
        self.attached = True


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    root = tmp_path / "volume"
    (root / "a/b").mkdir(parents=True)
    (root / "file").write_text("x")
    for name, target in {"rel": "a", "abs": "/etc", "up": "../..", "loop": "loop", "magic": "/proc/self/root"}.items():
        (root / name).symlink_to(target)
    return root


@pytest.mark.parametrize(("subpath", "real"), [("a/b", "a/b"), (".", "."), ("a/../file", "file"), ("rel/b", "a/b")])
def test_parts(volume: Path, subpath: str, real: str) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with ExitStack() as held:
        fd = open_part(str(volume), subpath, held, PartKernel())
        assert os.fstat(fd).st_ino == (volume / real).stat().st_ino
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("subpath", "told"),
    [
        ("abs", "path concatenation escapes the base directory, base: {}, subpath: abs"),
        ("up", "path concatenation escapes the base directory"),
        ("loop", "path concatenation escapes the base directory"),
        ("magic", "path concatenation escapes the base directory"),
        ("nosuch", "cannot access path {}/nosuch: lstat {}/nosuch: no such file or directory"),
        ("file/x", "not a directory"),
    ],
)
def test_parts_that_lead_out_or_nowhere(volume: Path, subpath: str, told: str) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with ExitStack() as held, pytest.raises(InvalidArgument) as failure:
        open_part(str(volume), subpath, held, PartKernel())
    assert told.format(volume, volume) in str(failure.value)
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("attached", [True, False])
def test_parts_of_images(volume: Path, tmp_path: Path, attached: bool) -> None:
    kernel, place = PartKernel(attached), tmp_path / "place"
    view = os.open(volume, os.O_PATH)
    with ExitStack() as held:
        fd = part_of_view(view, "a", "busybox", str(place), held, kernel)
        assert os.fstat(fd).st_ino == (volume / "a").stat().st_ino
    os.close(view)
    assert [call[0] for call in kernel.named("move_mount", "umount")] == ([] if attached else ["move_mount", "umount"])


def test_the_option_idmap_is_handed_on_as_it_is() -> None:
    points = [
        point("/v", Source="/vol", Mode="idmap=uids=0-1-1,ro", RW=False),
        point("/w", Source="/vol", Mode="idmap"),
    ]
    assert [mount["options"] for mount in spec_mounts(container(1, mounts=points))] == [
        ["rbind", "rprivate", "idmap=uids=0-1-1", "ro"],
        ["rbind", "rprivate", "idmap"],
    ]
