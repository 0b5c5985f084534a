"""What another runtime is told: paths for descriptors, numbers for names."""

import json
import os
from pathlib import Path
from typing import Any

from tests.fakes.kernel import FakeKernel

from carrack.linux.syscalls import LINUX
from carrack.shim import bundle
from carrack.shim.bundle import Bundle, config

SPEC: Any = {
    "ociVersion": "1.2.1",
    "root": {"path": "elsewhere", "readonly": True},
    "mounts": [{"destination": "/proc", "type": "proc"}, {"destination": "/d", "type": "bind", "source": "/host"}],
    "linux": {"namespaces": [{"type": "mount"}, {"type": "network"}], "cgroupsPath": "/p/c"},
}


def test_binds_and_namespaces_go_by_path() -> None:
    told = config(SPEC, "/b/rootfs", {1: "/b/sources/1"}, {"network": "/proc/7/ns/net", "pid": "/proc/7/ns/pid"})
    assert told["root"] == {"path": "/b/rootfs", "readonly": True}
    assert told["mounts"][0] == SPEC["mounts"][0]
    assert told["mounts"][1] == {"destination": "/d", "type": "bind", "source": "/b/sources/1"}
    assert told["linux"] == {
        "cgroupsPath": "/p/c",
        "namespaces": [
            {"type": "mount"},
            {"type": "network", "path": "/proc/7/ns/net"},
            {"type": "pid", "path": "/proc/7/ns/pid"},
        ],
    }
    assert told["ociVersion"] == "1.0.2"  # crun of 2023 takes no later one
    assert SPEC["mounts"][1]["source"] == "/host"


def test_a_user_becomes_numbers_by_the_containers_own_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("someone:x:71:72::/home/someone:/bin/sh\n")
    (tmp_path / "etc/group").write_text("more:x:73:someone\n")
    root = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    plan = {"user": "someone", "groups": ["74"], "working_directory_create": True}
    words: Any = {"args": ["true"], "env": ["A=b"], "cwd": "/made/here"}
    try:
        told: Any = Bundle(LINUX, "", {}).complete(words, plan, root, create=True)
    finally:
        os.close(root)
    assert told["user"] == {"uid": 71, "gid": 72, "additionalGids": [72, 73, 74]}
    assert sorted(told["env"]) == ["A=b", "HOME=/home/someone"]
    assert (tmp_path / "made/here").is_dir()


def test_what_is_mounted_is_placed_for_the_runtime_and_cleared_again(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.write_text("")
    fds = [os.open(folder, os.O_RDONLY), os.open(folder, os.O_PATH), os.open(file, os.O_PATH)]

    class Door(FakeKernel):
        def openat2(self, *words: Any, **more: Any) -> int:
            return LINUX.openat2(*words, **more)

        def new_mount(self, *words: Any, **more: Any) -> int:
            return os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)

        def fstatfs_magic(self, fd: int) -> int:
            return LINUX.fstatfs_magic(fd)

    kernel = Door()
    made = Bundle(kernel, str(tmp_path), {})
    process = {"args": ["true"], "env": []}
    plan: Any = {"spec": {**SPEC, "process": process}, "rootfs_fd": fds[0], "source_fds": {"0": fds[1], "1": fds[2]}}
    made.make(plan)
    made.clear()
    for fd in fds:
        os.close(fd)
    directory = f"{tmp_path}/bundle"
    places = [f"{directory}/rootfs", f"{directory}/sources/0", f"{directory}/sources/1"]
    assert [call[3] for call in kernel.named("move_mount")] == places
    assert sorted(str(call[1]) for call in kernel.named("umount") if directory in str(call[1])) == places
    assert os.path.isdir(places[1])
    assert os.path.isfile(places[2])
    written = json.loads(Path(f"{directory}/config.json").read_text())
    assert written["process"]["user"]["uid"] == 0
    assert written["mounts"][1]["source"] == places[2]


def test_version_2_is_out_of_sight_where_version_1_rules() -> None:
    kernel = FakeKernel()
    bundle.withdraw(kernel)
    assert [call[0] for call in kernel.calls][:2] == ["unshare", "mount"]
    assert all(str(call[1]).startswith("/sys/fs/cgroup/") for call in kernel.named("umount"))
