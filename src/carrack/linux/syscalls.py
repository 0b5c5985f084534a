"""The one door to the kernel: system calls that Python's ``os`` does not have, through ctypes.

Most calls go through PyDLL: they keep the interpreter lock, so that no other Python thread runs between a fork-like
call and the interpreter's own bookkeeping, and what does not block does not pay for releasing the lock. Those that look
up a path or reach a file system can wait for a disk or a server; they release the lock (``_blocking``), since the
daemon has other things to do.

Every argument is typed, every string is refused if it holds a NUL (the kernel would see a shorter path than we
checked), and every failure is an ``OSError`` naming the call and its object. Nothing else in the project imports
ctypes; see :mod:`carrack.linux.kernel` for the meaning of each method.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from ctypes import c_char_p, c_int, c_long, c_uint, c_ulong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_libc = ctypes.PyDLL(None, use_errno=True)
_blocking = ctypes.CDLL(None, use_errno=True)
# bound here: the first look-up of a function makes it, and a fork of the zygote should find it made
_before_fork, _after_fork = ctypes.pythonapi.PyOS_BeforeFork, ctypes.pythonapi.PyOS_AfterFork_Parent
_after_fork_in_child = ctypes.pythonapi.PyOS_AfterFork_Child

#: calls older than the common numbering of 2019: (x86_64, the generic table of newer machines)
_NUMBERS = {"pivot_root": (155, 41), "keyctl": (250, 219), "seccomp": (317, 277), "bpf": (321, 280)}
_COMMON_NUMBERS = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "pidfd_open": 434,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
}
_MACHINES = {"x86_64": 0, "aarch64": 1, "riscv64": 1, "loongarch64": 1}

AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_SIGCHLD = 17
_OPENAT2_ATTEMPTS = 128


def _number(name: str) -> int:
    if name in _COMMON_NUMBERS:
        return _COMMON_NUMBERS[name]
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"{name}: its number is not known on this machine", machine)
    return _NUMBERS[name][_MACHINES[machine]]


def _raise(call: str, what: str, detail: str = "") -> None:
    error = ctypes.get_errno()
    text = f"{call}: {os.strerror(error)}"
    raise OSError(error, f"{text}: {detail}" if detail else text, what)


def _syscall(name: str, *types: Any, library: ctypes.CDLL = _libc) -> Callable[..., int]:
    """A typed function for a call without a C library wrapper; its first argument says what it is used on."""
    function = library["syscall"]  # a fresh function object each time, so that each has its own argtypes
    function.argtypes = (c_long, *types)
    function.restype = c_long
    number = _number(name)

    def call(what: str, *arguments: Any) -> int:
        result: int = function(number, *arguments)
        if result < 0:
            _raise(name, what)
        return result

    return call


def _wrapper(name: str, *types: Any, library: ctypes.CDLL = _libc) -> Callable[..., int]:
    """The same for a call that the C library does wrap."""
    function = library[name]
    function.argtypes = types
    function.restype = c_int

    def call(what: str, *arguments: Any) -> int:
        result: int = function(*arguments)
        if result < 0:
            _raise(name, what)
        return result

    return call


def _text(value: str | bytes) -> bytes:
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise ValueError(f"embedded null byte in {value!r}")
    return encoded


def _optional(value: str | None) -> bytes | None:
    return None if value is None else _text(value)


def _at(dirfd: int, path: str | bytes) -> str:
    """How an error names a path that is relative to a descriptor."""
    name = os.fsdecode(path)
    return name if dirfd == AT_FDCWD or name.startswith("/") else f"fd {dirfd}/{name}".rstrip("/")


_mount = _wrapper("mount", c_char_p, c_char_p, c_char_p, c_ulong, c_char_p, library=_blocking)
_umount2 = _wrapper("umount2", c_char_p, c_int, library=_blocking)
_pivot_root = _syscall("pivot_root", c_char_p, c_char_p, library=_blocking)
_open_tree = _syscall("open_tree", c_int, c_char_p, c_uint, library=_blocking)
_move_mount = _syscall("move_mount", c_int, c_char_p, c_int, c_char_p, c_uint, library=_blocking)
_mount_setattr = _syscall("mount_setattr", c_int, c_char_p, c_uint, c_char_p, c_ulong, library=_blocking)
_fsopen = _syscall("fsopen", c_char_p, c_uint)
_fsconfig = _syscall("fsconfig", c_int, c_uint, c_char_p, c_char_p, c_int, library=_blocking)
_fsmount = _syscall("fsmount", c_int, c_uint, c_uint, library=_blocking)
_unshare = _wrapper("unshare", c_int)
_setns = _wrapper("setns", c_int, c_int)
_clone3 = _syscall("clone3", c_char_p, c_ulong)
_prctl = _wrapper("prctl", c_int, c_ulong, c_ulong, c_ulong, c_ulong)
_close_range = _syscall("close_range", c_uint, c_uint, c_uint)
_capset = _wrapper("capset", c_char_p, c_char_p)
_seccomp = _syscall("seccomp", c_uint, c_uint, c_char_p)
_pidfd_open = _syscall("pidfd_open", c_int, c_uint)
_pidfd_send_signal = _syscall("pidfd_send_signal", c_int, c_int, c_char_p, c_uint)
_keyctl = _syscall("keyctl", c_int, c_char_p)
_openat2 = _syscall("openat2", c_int, c_char_p, c_char_p, c_ulong, library=_blocking)
_fstatfs = _wrapper("fstatfs", c_int, c_char_p, library=_blocking)
_renameat2 = _wrapper("renameat2", c_int, c_char_p, c_int, c_char_p, c_uint, library=_blocking)
_syncfs = _wrapper("syncfs", c_int, library=_blocking)
_fchownat = _wrapper("fchownat", c_int, c_char_p, c_uint, c_uint, c_int, library=_blocking)
_utimensat = _wrapper("utimensat", c_int, c_char_p, c_char_p, c_int, library=_blocking)
_inotify_init1 = _wrapper("inotify_init1", c_int)
_inotify_add_watch = _wrapper("inotify_add_watch", c_int, c_char_p, c_uint, library=_blocking)
_bpf = _syscall("bpf", c_int, c_char_p, c_uint)


class _Mounts:
    def mount(self, source: str | None, target: str, fstype: str | None, flags: int, data: str | None = None) -> None:
        _mount(target, _optional(source), _text(target), _optional(fstype), flags, _optional(data))

    def umount(self, target: str, flags: int = 0) -> None:
        _umount2(target, _text(target), flags)

    def pivot_root(self, new_root: str, put_old: str) -> None:
        _pivot_root(new_root, _text(new_root), _text(put_old))

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        empty = 0 if path else _AT_EMPTY_PATH
        return _open_tree(_at(dirfd, path), dirfd, _text(path), flags | empty | os.O_CLOEXEC)

    def move_mount(self, from_fd: int, to_fd: int, to_path: str = "") -> None:
        flags = 0x04 if to_path else 0x44  # MOVE_MOUNT_F_EMPTY_PATH, and MOVE_MOUNT_T_EMPTY_PATH
        _move_mount(_at(to_fd, to_path), from_fd, b"", to_fd, _text(to_path), flags)

    def mount_setattr(
        self,
        fd: int,
        path: str,
        *,
        set_flags: int = 0,
        clear_flags: int = 0,
        propagation: int = 0,
        userns_fd: int = -1,
        recursive: bool = False,
    ) -> None:
        if userns_fd >= 0:
            set_flags |= 0x100000  # MOUNT_ATTR_IDMAP
        attributes = struct.pack("=QQQQ", set_flags, clear_flags, propagation, max(userns_fd, 0))
        flags = (0 if path else _AT_EMPTY_PATH) | (_AT_RECURSIVE if recursive else 0) | _AT_SYMLINK_NOFOLLOW
        _mount_setattr(_at(fd, path), fd, _text(path), flags, attributes, len(attributes))

    def new_mount(self, fstype: str, options: Sequence[tuple[str, str | int | None]], attributes: int = 0) -> int:
        context = _fsopen(fstype, _text(fstype), 1)
        try:
            for key, value in options:
                _set_option(context, key, value)
            _fsconfig("create", context, 6, None, None, 0)
            return _fsmount("fsmount", context, 1, attributes)
        except OSError as error:
            text = f"mount {fstype}: {error.strerror}"
            detail = _kernel_messages(context)
            raise OSError(error.errno, f"{text}: {detail}" if detail else text, error.filename) from None
        finally:
            os.close(context)


def _set_option(context: int, key: str, value: str | int | None) -> None:
    if value is None:
        _fsconfig(key, context, 0, _text(key), None, 0)
    elif isinstance(value, int):
        _fsconfig(f"{key}=fd {value}", context, 5, _text(key), None, value)
    else:
        _fsconfig(f"{key}={value}", context, 1, _text(key), _text(value), 0)


def _kernel_messages(context: int) -> str:
    """What the file system logged on its context: lines like ``e overlay: No changes allowed``."""
    lines: list[str] = []
    while len(lines) < 64:
        try:
            lines.append(os.read(context, 4096).decode(errors="replace").strip().removeprefix("e "))
        except OSError:  # ENODATA: no more
            break
    return "; ".join(lines)


class _Processes:
    def unshare(self, flags: int) -> None:
        _unshare(hex(flags), flags)

    def setns(self, fd: int, flags: int) -> None:
        _setns(f"fd {fd}", fd, flags)

    def clone3(self, flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
        """See ProcessKernel; the interpreter is told of the fork, the C library is not (its caches of the thread id
        go stale, which only matters to a process with more threads)."""
        pidfd = c_int(-1)
        flags |= 0x1000  # CLONE_PIDFD
        if cgroup_fd >= 0:
            flags |= 0x200000000  # CLONE_INTO_CGROUP
        # a sibling (CLONE_PARENT) has its parent's exit signal; the kernel refuses another
        exit_signal = 0 if flags & 0x8000 else _SIGCHLD
        arguments = struct.pack(
            "=11Q", flags, ctypes.addressof(pidfd), 0, 0, exit_signal, 0, 0, 0, 0, 0, max(cgroup_fd, 0)
        )
        _before_fork()
        pid = -1
        try:
            pid = _clone3(hex(flags), arguments, len(arguments))
        finally:
            if pid == 0:
                _after_fork_in_child()
            else:
                _after_fork()
        return (0, -1) if pid == 0 else (pid, pidfd.value)

    def prctl(self, option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
        return _prctl(f"option {option}", option, arg2, arg3, arg4, arg5)

    def close_range(self, first: int, last: int, flags: int) -> None:
        _close_range(f"fds {first}-{last}", first, last, flags)

    def capset(self, effective: int, permitted: int, inheritable: int) -> None:
        low, high = 0xFFFFFFFF, 32
        data = struct.pack(
            "=6I",
            *(mask & low for mask in (effective, permitted, inheritable)),
            *(mask >> high for mask in (effective, permitted, inheritable)),
        )
        _capset(f"permitted {permitted:#x}", struct.pack("=Ii", 0x20080522, 0), data)

    def seccomp(self, program: bytes, flags: int = 0) -> None:
        buffer = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
        _seccomp(f"filter of {len(program) // 8} instructions", 1, flags, header)

    def pidfd_open(self, pid: int) -> int:
        return _pidfd_open(f"pid {pid}", pid, 0)

    def pidfd_send_signal(self, pidfd: int, signal: int) -> None:
        _pidfd_send_signal(f"pidfd {pidfd}, signal {signal}", pidfd, signal, None, 0)

    def keyctl_join(self, name: str) -> None:
        _keyctl(name, 1, _text(name))


class _Files:
    def openat2(self, dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
        how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve)
        what, name = _at(dirfd, path), _text(path)
        for _ in range(_OPENAT2_ATTEMPTS):
            try:
                return _openat2(what, dirfd, name, how, len(how))
            except (BlockingIOError, InterruptedError) as error:  # somebody renames along the path
                last = error
        raise last

    def fstatfs_magic(self, fd: int) -> int:
        buffer = ctypes.create_string_buffer(256)
        _fstatfs(f"fd {fd}", fd, buffer)
        magic: int = struct.unpack_from("@l", buffer)[0]
        return magic & 0xFFFFFFFF

    def renameat2(self, from_fd: int, from_path: str, to_fd: int, to_path: str, flags: int) -> None:
        what = f"{_at(from_fd, from_path)} -> {_at(to_fd, to_path)}"
        _renameat2(what, from_fd, _text(from_path), to_fd, _text(to_path), flags)

    def syncfs(self, fd: int) -> None:
        _syncfs(f"fd {fd}", fd)

    def fchownat(self, dirfd: int, path: str | bytes, uid: int, gid: int) -> None:
        flags = _AT_SYMLINK_NOFOLLOW | (0 if path else _AT_EMPTY_PATH)
        _fchownat(_at(dirfd, path), dirfd, _text(path), uid & 0xFFFFFFFF, gid & 0xFFFFFFFF, flags)

    def utimensat(self, dirfd: int, path: str | bytes, atime_ns: int, mtime_ns: int) -> None:
        times = struct.pack("@4l", *divmod(atime_ns, 10**9), *divmod(mtime_ns, 10**9))
        flags = _AT_SYMLINK_NOFOLLOW | (0 if path else _AT_EMPTY_PATH)
        _utimensat(_at(dirfd, path), dirfd, _text(path), times, flags)

    def inotify_init(self) -> int:
        return _inotify_init1("inotify", os.O_NONBLOCK | os.O_CLOEXEC)

    def inotify_add_watch(self, fd: int, path: str, mask: int) -> int:
        return _inotify_add_watch(path, fd, _text(path), mask)


_BPF_PROG_TYPE_CGROUP_DEVICE = 15
_BPF_CGROUP_DEVICE = 6
_BPF_F_REPLACE = 4
_VERIFIER_LOG_BYTES = 64 * 1024


class _Bpf:
    def bpf_load_device(self, program: bytes) -> int:
        code = ctypes.create_string_buffer(program, len(program))
        log = ctypes.create_string_buffer(_VERIFIER_LOG_BYTES)
        licence = ctypes.create_string_buffer(b"Apache-2.0")

        def attributes(log_level: int) -> bytes:
            where = ctypes.addressof(log) if log_level else 0
            head = (
                _BPF_PROG_TYPE_CGROUP_DEVICE,
                len(program) // 8,
                ctypes.addressof(code),
                ctypes.addressof(licence),
            )
            tail = (log_level, len(log) if log_level else 0, where, 0, 0, b"carrack_devices")
            return struct.pack("=IIQQIIQII16s", *head, *tail)

        what = f"device program of {len(program) // 8} instructions"
        try:
            return _bpf(what, 5, attributes(0), len(attributes(0)))
        except OSError as error:
            try:  # once more for the verifier's reasons, which cost time to write
                return _bpf(what, 5, attributes(1), len(attributes(1)))
            except OSError:
                reason = log.value.decode(errors="replace").strip()
                raise OSError(error.errno, f"{error.strerror}: {reason or 'no verifier log'}", what) from None

    def bpf_attach_device(self, cgroup_fd: int, program_fd: int, flags: int, replace_fd: int = -1) -> None:
        if replace_fd >= 0:
            flags |= _BPF_F_REPLACE
        attributes = struct.pack("=5I", cgroup_fd, program_fd, _BPF_CGROUP_DEVICE, flags, max(replace_fd, 0))
        _bpf(f"attach to cgroup fd {cgroup_fd}", 8, attributes, len(attributes))

    def bpf_detach_device(self, cgroup_fd: int, program_fd: int) -> None:
        attributes = struct.pack("=3I", cgroup_fd, program_fd, _BPF_CGROUP_DEVICE)
        _bpf(f"detach from cgroup fd {cgroup_fd}", 9, attributes, len(attributes))

    def bpf_query_device(self, cgroup_fd: int) -> list[int]:
        ids = ctypes.create_string_buffer(4 * 64)
        query = struct.pack("=4IQI4x", cgroup_fd, _BPF_CGROUP_DEVICE, 0, 0, ctypes.addressof(ids), 64)
        attributes = ctypes.create_string_buffer(query, len(query))
        _bpf(f"query of cgroup fd {cgroup_fd}", 16, attributes, len(query))
        count: int = struct.unpack_from("=I", attributes, 24)[0]
        return list(struct.unpack_from(f"={count}I", ids))

    def bpf_program(self, program_id: int) -> int:
        attributes = struct.pack("=3I", program_id, 0, 0)
        return _bpf(f"program {program_id}", 13, attributes, len(attributes))


class Linux(_Mounts, _Processes, _Files, _Bpf):
    """The running kernel; implements :class:`carrack.linux.kernel.Kernel`. It has no state."""


LINUX = Linux()
