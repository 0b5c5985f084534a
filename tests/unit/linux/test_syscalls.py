"""The real kernel, as far as one gets without privilege; the rest is in tests/root/test_kernel_door.py."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from carrack.linux import mount
from carrack.linux.syscalls import LINUX


def in_child(work: Callable[[], None]) -> int:
    """The exit code of a fork that runs work; 0 unless it raises."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_errors_name_the_call_and_its_object() -> None:
    with pytest.raises(OSError, match=r"^\[Errno 2\] openat2: No such file or directory: '/no/such'$") as caught:
        LINUX.openat2(mount.AT_FDCWD, "/no/such", os.O_RDONLY)
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.filename == "/no/such"
    with pytest.raises(OSError, match="setns: Bad file descriptor: 'fd 9999'"):
        LINUX.setns(9999, 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: LINUX.mount(None, "/a\0b", None, 0),
        lambda: LINUX.umount("/\0"),
        lambda: LINUX.openat2(-100, "/etc\0/x", 0),
        lambda: LINUX.openat2(-100, b"/etc\0", 0),
        lambda: LINUX.fchownat(-100, "a\0", 0, 0),
        lambda: LINUX.keyctl_join("\0"),
        lambda: LINUX.pivot_root("\0", "."),
        lambda: LINUX.open_tree(-100, "\0", 0),
    ],
)
def test_a_nul_never_shortens_a_path(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        call()


def test_descriptors_are_not_inherited(tmp_path: Path) -> None:
    fds = [
        LINUX.openat2(mount.AT_FDCWD, str(tmp_path), os.O_PATH),
        LINUX.open_tree(mount.AT_FDCWD, str(tmp_path), 0),
        LINUX.pidfd_open(os.getpid()),
        LINUX.inotify_init(),
    ]
    try:
        assert [os.get_inheritable(fd) for fd in fds] == [False] * 4
    finally:
        for fd in fds:
            os.close(fd)


def test_openat2_takes_bytes_and_creates(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff"
    fd = LINUX.openat2(mount.AT_FDCWD, name, os.O_CREAT | os.O_WRONLY, 0o640)
    os.close(fd)
    assert os.stat(name).st_mode & 0o777 == 0o640


def test_magic() -> None:
    fd = os.open("/proc/self", os.O_PATH)
    try:
        assert LINUX.fstatfs_magic(fd) == mount.PROC_SUPER_MAGIC
    finally:
        os.close(fd)


def test_owner_and_times_of_links_and_descriptors(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("")
    link.symlink_to("target")
    before = target.stat().st_mtime_ns
    parent, itself = os.open(tmp_path, os.O_PATH), os.open(link, os.O_PATH | os.O_NOFOLLOW)
    try:
        LINUX.fchownat(parent, "link", os.getuid(), os.getgid())
        LINUX.fchownat(itself, "", -1, -1)
        LINUX.utimensat(parent, "link", 5 * 10**9 + 7, 11)
        assert (link.lstat().st_atime_ns, link.lstat().st_mtime_ns) == (5_000_000_007, 11)
        LINUX.utimensat(itself, "", 1, -(10**9) - 1)
        assert link.lstat().st_mtime_ns == -1_000_000_001
    finally:
        os.close(parent)
        os.close(itself)
    assert target.stat().st_mtime_ns == before


def test_a_call_that_waits_lets_other_threads_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    def work() -> None:
        signal.alarm(10)  # the two would wait for each other for ever
        reader = threading.Thread(target=LINUX.openat2, args=(mount.AT_FDCWD, str(tmp_path / "fifo"), os.O_RDONLY))
        reader.start()
        os.close(os.open(tmp_path / "fifo", os.O_WRONLY))
        reader.join()

    assert in_child(work) == 0


def test_syncfs(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    LINUX.syncfs(fd)
    os.close(fd)
    with pytest.raises(OSError, match="syncfs: Bad file descriptor"):
        LINUX.syncfs(fd)


def test_close_range_spares_what_is_outside() -> None:
    def work() -> None:
        kept, first = os.open("/", os.O_PATH), os.open("/", os.O_PATH)
        last = os.dup2(first, 900)
        LINUX.close_range(first, last, 0)
        os.fstat(kept)
        for fd in (first, last):
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)

    assert in_child(work) == 0


def test_prctl_sets_and_gets() -> None:
    def work() -> None:
        assert LINUX.prctl(39) == 0  # PR_GET_NO_NEW_PRIVS
        LINUX.prctl(38, 1)
        assert LINUX.prctl(39) == 1
        with pytest.raises(OSError, match="prctl: Invalid argument: 'option 38'"):
            LINUX.prctl(38, 0)

    assert in_child(work) == 0


def test_pidfd_signal() -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    fd = LINUX.pidfd_open(pid)
    try:
        LINUX.pidfd_send_signal(fd, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            LINUX.pidfd_send_signal(fd, 0)
    finally:
        os.close(fd)


def test_clone3_is_a_fork() -> None:
    seen = []
    os.register_at_fork(after_in_child=lambda: seen.append("child"))
    read, write = os.pipe()
    pid, pidfd = LINUX.clone3(0)
    if pid == 0:
        os.write(write, f"{pidfd} {seen} {os.getppid()}".encode())
        os._exit(3)
    try:
        assert os.get_inheritable(pidfd) is False
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        assert result is not None
        assert (result.si_pid, result.si_status) == (pid, 3)
        assert os.read(read, 100).decode() == f"-1 ['child'] {os.getpid()}"
        assert seen == []
    finally:
        for fd in (pidfd, read, write):
            os.close(fd)


def test_clone3_failure_leaves_a_whole_parent() -> None:
    with pytest.raises(OSError, match="clone3: Invalid argument"):
        LINUX.clone3(0x10000)  # CLONE_THREAD without what it needs
    assert in_child(lambda: None) == 0


def test_inotify_reports(tmp_path: Path) -> None:
    fd = LINUX.inotify_init()
    try:
        assert LINUX.inotify_add_watch(fd, str(tmp_path), 0x100) == 1
        (tmp_path / "new").mkdir()
        assert b"new" in os.read(fd, 4096)
        with pytest.raises(OSError, match="inotify_add_watch: No such file or directory: '/no/such'"):
            LINUX.inotify_add_watch(fd, "/no/such", 0x100)
    finally:
        os.close(fd)


def test_bpf_reports_the_missing_cgroup() -> None:
    with pytest.raises(OSError, match="bpf: ") as caught:
        LINUX.bpf_attach_device(9999, 9998, 0)
    assert caught.value.errno in (errno.EBADF, errno.EPERM)
