"""Each system call of the door does on the real kernel what its protocol says; all in children that end."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.sandbox import run_apart

from carrack.linux import caps, mount, pidfd, tty
from carrack.linux import namespaces as ns
from carrack.linux.seccomp_profile import program
from carrack.linux.syscalls import LINUX

pytestmark = pytest.mark.root

APART = ns.CLONE_NEWNS
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38


def mounted(path: Path) -> list[mount.MountInfo]:
    infos = mount.read_mountinfo(Path("/proc/self/mountinfo").read_text())
    return [info for info in infos if info.mount_point == str(path)]


def test_new_mount_is_detached_until_moved(tmp_path: Path) -> None:
    def work() -> None:
        options = [("size", "64k"), ("mode", "0750"), ("source", "shown")]
        fd = LINUX.new_mount("tmpfs", options, mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV)
        assert LINUX.fstatfs_magic(fd) == mount.TMPFS_MAGIC
        assert mounted(tmp_path) == []
        LINUX.move_mount(fd, mount.AT_FDCWD, str(tmp_path))
        (info,) = mounted(tmp_path)
        assert (info.fstype, info.source) == ("tmpfs", "shown")
        assert {"nosuid", "nodev", "rw"} <= set(info.options)
        assert tmp_path.stat().st_mode & 0o777 == 0o750
        with pytest.raises(OSError, match="umount2: Device or resource busy"):
            LINUX.umount(str(tmp_path))
        os.close(fd)
        LINUX.umount(str(tmp_path))
        assert mounted(tmp_path) == []

    run_apart(work, APART)


def test_move_mount_on_a_descriptor(tmp_path: Path) -> None:
    def work() -> None:
        target = os.open(tmp_path, os.O_PATH)
        LINUX.move_mount(LINUX.new_mount("tmpfs", []), target)
        (tmp_path / "inner").mkdir()
        LINUX.move_mount(LINUX.new_mount("tmpfs", []), os.open(tmp_path, os.O_PATH), "inner")
        assert len(mounted(tmp_path)) == len(mounted(tmp_path / "inner")) == 1
        (tmp_path / "link").symlink_to("inner")
        with pytest.raises(OSError, match="move_mount: "):
            LINUX.move_mount(LINUX.new_mount("tmpfs", []), os.open(tmp_path, os.O_PATH), "link")

    run_apart(work, APART)


def test_a_refused_mount_carries_the_kernels_words() -> None:
    def work() -> None:
        with pytest.raises(OSError, match=r"mount tmpfs: fsconfig: .*Unknown parameter 'flavour'") as caught:
            LINUX.new_mount("tmpfs", [("flavour", "sweet")])
        assert caught.value.errno == errno.EINVAL
        assert caught.value.filename == "flavour=sweet"
        with pytest.raises(OSError, match="fsopen: No such device: 'nosuchfs'"):
            LINUX.new_mount("nosuchfs", [])

    before = os.listdir("/proc/self/fd")
    run_apart(work, APART)
    assert os.listdir("/proc/self/fd") == before


def test_overlay_of_descriptors(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/file").write_text("below")

    def work() -> None:
        lower = os.open(tmp_path / "lower", os.O_PATH)
        options: list[tuple[str, str | int]] = [
            ("lowerdir+", lower),
            ("upperdir", str(tmp_path / "upper")),
            ("workdir", str(tmp_path / "work")),
        ]
        try:
            merged = LINUX.new_mount("overlay", options)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return  # before 6.13, layers are given by path only
        file = LINUX.openat2(merged, "file", os.O_RDWR)
        assert os.read(file, 9) == b"below"
        os.pwrite(file, b"above", 0)
        assert (tmp_path / "upper/file").read_text() == "above"
        assert (tmp_path / "lower/file").read_text() == "below"

    run_apart(work, APART)


def test_open_tree_and_attributes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()

    def work() -> None:
        LINUX.mount("t", str(source), "tmpfs", mount.MS_NODEV, "mode=755")
        (source / "sub").mkdir()
        LINUX.mount("t", str(source / "sub"), "tmpfs", 0)
        flat = LINUX.open_tree(mount.AT_FDCWD, str(source), mount.OPEN_TREE_CLONE)
        tree = LINUX.open_tree(mount.AT_FDCWD, str(source), mount.OPEN_TREE_CLONE | mount.AT_RECURSIVE)
        LINUX.mount_setattr(tree, "", set_flags=mount.MOUNT_ATTR_RDONLY, recursive=True, propagation=mount.MS_PRIVATE)
        os.mkdir("file", dir_fd=flat)
        for path in ("file2", "sub/file"):
            with pytest.raises(OSError, match="Read-only file system"):
                os.mkdir(path, dir_fd=tree)
        LINUX.move_mount(tree, mount.AT_FDCWD, str(source))
        LINUX.mount_setattr(tree, "sub", clear_flags=mount.MOUNT_ATTR_RDONLY)  # when detached, only the root can be set
        (source / "sub/file").mkdir()
        again = LINUX.open_tree(tree, "sub", 0)
        assert LINUX.fstatfs_magic(again) == mount.TMPFS_MAGIC

    run_apart(work, APART)


def test_idmapped_mount(tmp_path: Path) -> None:
    def work() -> None:
        pid, handle = LINUX.clone3(ns.CLONE_NEWUSER)
        if pid == 0:
            os.read(os.pipe()[0], 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{name}").write_text("0 100000 1000")
        userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
        fd = LINUX.new_mount("tmpfs", [])
        try:
            LINUX.mount_setattr(fd, "", userns_fd=userns)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return  # before 6.3, tmpfs cannot
        finally:
            LINUX.pidfd_send_signal(handle, 9)
            pidfd.wait(handle)
        assert os.fstat(fd).st_uid == 100000

    run_apart(work, APART)


def test_pivot_root_leaves_the_old_root_behind(tmp_path: Path) -> None:
    def work() -> None:
        LINUX.move_mount(LINUX.new_mount("tmpfs", []), mount.AT_FDCWD, str(tmp_path))
        (tmp_path / "marker").touch()
        os.chdir(tmp_path)
        LINUX.pivot_root(".", ".")
        LINUX.umount(".", mount.MNT_DETACH)
        os.chdir("/")
        assert os.listdir("/") == ["marker"]
        assert os.getcwd() == "/"

    run_apart(work, APART)


def test_unshare_and_setns() -> None:
    def work() -> None:
        flags = ns.flags(["uts", "ipc", "network"])
        pid, handle = LINUX.clone3(flags)
        if pid == 0:
            socket.sethostname("inside")
            os.write(ready[1], b".")
            os.read(os.pipe()[0], 1)
        os.read(ready[0], 1)
        theirs = {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in ("uts", "ipc", "net")}
        LINUX.setns(handle, flags)
        assert {name: os.readlink(f"/proc/self/ns/{name}") for name in theirs} == theirs
        assert socket.gethostname() == "inside"
        LINUX.unshare(ns.CLONE_NEWUTS)
        assert os.readlink("/proc/self/ns/uts") != theirs["uts"]
        LINUX.pidfd_send_signal(handle, 9)
        assert pidfd.wait(handle) == 137

    ready = os.pipe()
    run_apart(work)
    for fd in ready:
        os.close(fd)


def test_clone3_begins_a_pid_namespace() -> None:
    def work() -> None:
        pid, handle = LINUX.clone3(ns.CLONE_NEWPID)
        if pid == 0:
            os._exit(os.getpid() + 10 if os.getppid() == 0 else 0)
        assert pidfd.pid(handle) == pid
        assert pidfd.wait(handle) == 11

    run_apart(work)


def test_clone3_can_make_a_sibling() -> None:
    def work() -> None:
        read, write = os.pipe()
        middle, _ = LINUX.clone3(0)
        if middle == 0:
            pid, _ = LINUX.clone3(ns.CLONE_PARENT)
            if pid == 0:
                os._exit(5)
            os.write(write, struct.pack("i", pid))
            os._exit(0)
        assert os.waitpid(middle, 0)[1] == 0
        sibling = struct.unpack("i", os.read(read, 4))[0]
        assert os.waitstatus_to_exitcode(os.waitpid(sibling, 0)[1]) == 5

    run_apart(work)


def test_capset_really_drops(tmp_path: Path) -> None:
    def status() -> dict[str, int]:
        lines = Path("/proc/self/status").read_text().splitlines()
        return {line[:6]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}

    def work() -> None:
        wanted = caps.mask(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"])
        for number in range(caps.last_cap() + 1):
            if not wanted >> number & 1:
                LINUX.prctl(PR_CAPBSET_DROP, number)
        LINUX.capset(wanted, wanted, 0)
        assert status() == {"CapInh": 0, "CapPrm": wanted, "CapEff": wanted, "CapBnd": wanted, "CapAmb": 0}
        with pytest.raises(PermissionError, match="unshare: Operation not permitted"):
            LINUX.unshare(ns.CLONE_NEWUTS)
        with pytest.raises(PermissionError, match="capset: Operation not permitted"):
            LINUX.capset(wanted, wanted | 1 << 21, 0)
        with pytest.raises(PermissionError):
            (tmp_path / "other").chmod(0o777)

    (tmp_path / "other").touch()
    os.chown(tmp_path / "other", 12345, 12345)
    run_apart(work)


def test_default_seccomp_filter_really_denies() -> None:
    def work() -> None:
        LINUX.prctl(PR_SET_NO_NEW_PRIVS, 1)
        LINUX.seccomp(program(None, frozenset()))
        assert "Seccomp:\t2" in Path("/proc/self/status").read_text()
        with pytest.raises(PermissionError, match="mount: Operation not permitted"):
            LINUX.mount("t", "/tmp", "tmpfs", 0)
        with pytest.raises(PermissionError):
            LINUX.unshare(ns.CLONE_NEWNS)
        with pytest.raises(PermissionError):
            LINUX.new_mount("tmpfs", [])
        with pytest.raises(OSError, match="clone3: Function not implemented"):
            LINUX.clone3(0)
        for family in (38, 40):
            with pytest.raises(PermissionError):
                socket.socket(family, socket.SOCK_STREAM)
        socket.socketpair()[0].close()
        pid = os.fork()
        if pid == 0:
            os.execv("/bin/sh", ["sh", "-c", "exit $(expr 20 + 3)"])
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 23

    run_apart(work, APART)


def test_threads_and_programs_start_under_the_default_filter() -> None:
    def work() -> None:
        LINUX.seccomp(program(None, frozenset()))
        heard: list[int] = []
        thread = threading.Thread(target=heard.append, args=(7,))  # the C library falls back from clone3
        thread.start()
        thread.join()
        assert heard == [7]
        done = subprocess.run([sys.executable, "-c", "import asyncio, ssl, sqlite3; print(6 * 7)"], capture_output=True)
        assert (done.stdout, done.returncode) == (b"42\n", 0), done.stderr

    run_apart(work)


def test_a_broken_filter_is_refused() -> None:
    def work() -> None:
        with pytest.raises(OSError, match="seccomp: Invalid argument: 'filter of 1 instructions'"):
            LINUX.seccomp(struct.pack("=HBBI", 0x20, 0, 0, 0))

    run_apart(work)


def test_session_keyring() -> None:
    def work() -> None:
        LINUX.keyctl_join("crk-test-keyring")
        assert "keyring   crk-test-keyring" in Path("/proc/keys").read_text()

    if not Path("/proc/keys").exists():
        pytest.skip("this kernel has no keyrings")
    run_apart(work)


def test_terminal_on_an_instance_of_its_own() -> None:
    def work() -> None:
        options: list[tuple[str, str | None]] = [("newinstance", None), ("ptmxmode", "0666"), ("mode", "0620")]
        devpts = LINUX.new_mount("devpts", options)
        pair = tty.open_pty(LINUX, devpts)
        assert pair.number == 0
        assert set(os.listdir(LINUX.openat2(devpts, ".", os.O_RDONLY))) == {"0", "ptmx"}
        os.write(pair.slave, b"out\n")
        output = b""
        while len(output) < 5:  # the line discipline may hand over the line in two parts
            output += os.read(pair.master, 10)
        assert output == b"out\r\n"

    run_apart(work, APART)


@pytest.fixture
def cgroup(tmp_path: Path) -> Iterator[int]:
    """A cgroup of our own in the v2 hierarchy, which exists even where controllers are on v1."""
    root = LINUX.new_mount("cgroup2", [])
    name = f"crk-test-{os.getpid()}"
    os.mkdir(name, dir_fd=root)
    fd = LINUX.openat2(root, name, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)
    os.rmdir(name, dir_fd=root)
    os.close(root)


def test_clone3_starts_in_a_cgroup(cgroup: int) -> None:
    pid, handle = LINUX.clone3(0, cgroup)
    if pid == 0:
        own = Path("/proc/self/cgroup").read_text()
        os._exit(0 if f"0::/crk-test-{os.getppid()}\n" in own else 1)
    try:
        assert pidfd.wait(handle) == 0
    finally:
        os.close(handle)


ALLOW_ALL = struct.pack("=BBhi", 0xB7, 0, 0, 1) + struct.pack("=BBhi", 0x95, 0, 0, 0)
DENY_ALL = struct.pack("=BBhi", 0xB7, 0, 0, 0) + ALLOW_ALL[8:]


def opens_null(cgroup: int) -> bool:
    pid, handle = LINUX.clone3(0, cgroup)
    if pid == 0:
        try:
            os.open("/dev/null", os.O_RDONLY)
            os._exit(0)
        finally:
            os._exit(1)
    code = pidfd.wait(handle)
    os.close(handle)
    return code == 0


def test_device_program_decides(cgroup: int) -> None:
    multi = 2  # BPF_F_ALLOW_MULTI
    allow, deny = LINUX.bpf_load_device(ALLOW_ALL), LINUX.bpf_load_device(DENY_ALL)
    try:
        assert LINUX.bpf_query_device(cgroup) == []
        LINUX.bpf_attach_device(cgroup, deny, multi)
        assert not opens_null(cgroup)
        (attached,) = LINUX.bpf_query_device(cgroup)
        old = LINUX.bpf_program(attached)
        LINUX.bpf_attach_device(cgroup, allow, multi, replace_fd=old)
        os.close(old)
        assert opens_null(cgroup)
        assert len(LINUX.bpf_query_device(cgroup)) == 1
        LINUX.bpf_detach_device(cgroup, allow)
        assert LINUX.bpf_query_device(cgroup) == []
    finally:
        os.close(allow)
        os.close(deny)


def test_the_verifier_says_why() -> None:
    with pytest.raises(OSError, match=r"bpf: Invalid argument: .*last insn is not an exit"):
        LINUX.bpf_load_device(ALLOW_ALL[:8])
