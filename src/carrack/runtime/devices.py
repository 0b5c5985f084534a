"""Device nodes, links and the console below a container's /dev.

Nodes are made in a directory held by descriptor, so a /dev that an image made a link elsewhere leads nowhere outside
the root (CVE-2026-41579). Where making nodes is not permitted (a user namespace) the host's node is bound instead,
after checking that it really is that device. Lists: OCI runtime spec config-linux.md "default devices" and
"dev symbolic links".
"""

from __future__ import annotations

import errno
import os
import stat

from carrack.errors import InvalidArgument
from carrack.linux import mount as words
from carrack.linux.resolve import RESOLVE_NO_SYMLINKS
from carrack.runtime import inroot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.linux.kernel import Kernel, MountKernel
    from carrack.oci.runtime_spec import Device

_EVERYBODY = 0o666
DEFAULT_DEVICES: tuple[Device, ...] = (
    {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": _EVERYBODY},
    {"path": "/dev/zero", "type": "c", "major": 1, "minor": 5, "fileMode": _EVERYBODY},
    {"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": _EVERYBODY},
    {"path": "/dev/random", "type": "c", "major": 1, "minor": 8, "fileMode": _EVERYBODY},
    {"path": "/dev/urandom", "type": "c", "major": 1, "minor": 9, "fileMode": _EVERYBODY},
    {"path": "/dev/tty", "type": "c", "major": 5, "minor": 0, "fileMode": _EVERYBODY},
)
_DEVICE_ONLY = words.MOUNT_ATTR_RDONLY | words.MOUNT_ATTR_NOSUID | words.MOUNT_ATTR_NOEXEC
_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def make_devices(kernel: Kernel, root_fd: int, devices: Sequence[Device]) -> None:
    """The default devices, overridden and followed by the spec's own."""
    wanted = {device["path"]: device for device in (*DEFAULT_DEVICES, *devices)}
    for device in wanted.values():
        _make(kernel, root_fd, device)


def make_links(kernel: Kernel, root_fd: int) -> None:
    """/dev/fd and its kin, and /dev/ptmx, which must be the container's own."""
    dev = inroot.make_directories(kernel, root_fd, "/dev")
    try:
        links = [*_LINKS]
        if os.path.exists("/proc/kcore"):
            links.append(("core", "/proc/kcore"))
        for name, target in links:
            _link(dev, name, target)
        try:
            os.unlink("ptmx", dir_fd=dev)
        except FileNotFoundError:
            pass
        os.symlink("pts/ptmx", "ptmx", dir_fd=dev)
    finally:
        os.close(dev)


def bind_console(kernel: Kernel, root_fd: int, terminal_fd: int) -> None:
    """Show the terminal at /dev/console; the mount point is a plain file that we made (CVE-2025-52565)."""
    dev = inroot.make_directories(kernel, root_fd, "/dev")
    try:
        _place_on(kernel, dev, "console", kernel.open_tree(terminal_fd, "", words.OPEN_TREE_CLONE))
    finally:
        os.close(dev)


def host_device(path: str, device: Device) -> int:
    """An O_PATH descriptor of a host's node that is checked to be that device; OSError when it is not."""
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not _is_device(os.fstat(fd), device):
        os.close(fd)
        raise OSError(errno.ENODEV, f"not the device {device.get('major')}:{device.get('minor')}", path)
    return fd


def _find_on_host(path: str, device: Device) -> int:
    """The host's node under the container's name of it, else under the kernel's (sysfs(5), uevent)."""
    try:
        return host_device(path, device)
    except OSError:
        kind = "block" if device["type"] == "b" else "char"
        try:
            with open(f"/sys/dev/{kind}/{device.get('major', 0)}:{device.get('minor', 0)}/uevent") as file:
                names = [line[8:].strip() for line in file if line.startswith("DEVNAME=")]
        except OSError:
            names = []
        if not names:
            raise
        return host_device(f"/dev/{names[0]}", device)


def clone_device(kernel: Kernel, host: int) -> int:
    """A detached mount of a host's node that can be used as a device, but not be given another mode or owner."""
    clone = kernel.open_tree(host, "", words.OPEN_TREE_CLONE)
    kernel.mount_setattr(clone, "", set_flags=_DEVICE_ONLY)
    return clone


def private_null(kernel: MountKernel) -> int:
    """A null device of the container's own, for a stream that leads nowhere. Root in a container can change the mode
    of what it holds open, and through a descriptor of the host's /dev/null it would be the host's."""
    mount_fd = kernel.new_mount("tmpfs", [("size", "4k"), ("mode", "755")])
    try:
        os.mknod("null", stat.S_IFCHR, os.makedev(1, 3), dir_fd=mount_fd)
        os.chmod("null", _EVERYBODY, dir_fd=mount_fd)
        return os.open("null", os.O_RDWR | os.O_CLOEXEC, dir_fd=mount_fd)
    finally:
        os.close(mount_fd)


def standard_streams(kernel: MountKernel) -> list[int]:
    """Our own 0, 1 and 2, as a container may have them: in place of the host's null device one of its own."""
    shared = [fd for fd in range(3) if _is_null(fd)]
    null = private_null(kernel) if shared else -1
    return [null if fd in shared else fd for fd in range(3)]


def _is_null(fd: int) -> bool:
    try:
        return _is_device(os.fstat(fd), DEFAULT_DEVICES[0])
    except OSError:  # closed: what wants it will say so
        return False


def _link(dev: int, name: str, target: str) -> None:
    try:
        os.symlink(target, name, dir_fd=dev)
    except FileExistsError:  # an image's own, seen only where /dev is no fresh tmpfs
        pass


def _is_device(info: os.stat_result, device: Device) -> bool:
    kind = _TYPES[device["type"]]
    if stat.S_IFMT(info.st_mode) != kind:
        return False
    return kind == stat.S_IFIFO or info.st_rdev == os.makedev(device.get("major", 0), device.get("minor", 0))


def _make(kernel: Kernel, root_fd: int, device: Device) -> None:
    path = inroot.clean(device["path"])
    if device["type"] not in _TYPES:
        raise InvalidArgument(f"device {path}: unknown type {device['type']!r}, use c, b, u or p")
    head, _, name = path.rpartition("/")
    parent = inroot.make_directories(kernel, root_fd, head or "/")
    try:
        number = os.makedev(device.get("major", 0), device.get("minor", 0))
        mode = _TYPES[device["type"]] | (device.get("fileMode") or _EVERYBODY) & 0o7777
        before = os.umask(0)
        try:
            os.mknod(name, mode, number, dir_fd=parent)
        finally:
            os.umask(before)
        os.chown(name, device.get("uid") or 0, device.get("gid") or 0, dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        if not _is_device(os.stat(name, dir_fd=parent, follow_symlinks=False), device):
            raise OSError(errno.EEXIST, "something that is not this device is in the way", path) from None
    except PermissionError:
        host = _find_on_host(path, device)
        try:
            _place_on(kernel, parent, name, clone_device(kernel, host))
        finally:
            os.close(host)
    finally:
        os.close(parent)


def _place_on(kernel: Kernel, parent: int, name: str, tree: int) -> None:
    """Attach a one-file mount on a plain file of that name, made if missing; takes the tree over."""
    try:
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o666, dir_fd=parent))
        except FileExistsError:
            pass
        target = kernel.openat2(parent, name, os.O_PATH | os.O_NOFOLLOW, resolve=RESOLVE_NO_SYMLINKS)
        try:
            if stat.S_ISLNK(os.fstat(target).st_mode):
                raise OSError(errno.ELOOP, "a symbolic link is in the way of a device", name)
            kernel.move_mount(tree, target)
        finally:
            os.close(target)
    finally:
        os.close(tree)
