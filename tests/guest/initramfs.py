"""The guest's first file system: busybox, the modules that it takes to reach the host's files, and a script.

An archive in the kernel's own form (Documentation/driver-api/early-userspace/buffer-format.rst), written here because
no tool that makes them is on every machine. The script hands over to a root that is the host's, seen read-only over
virtiofs, under a layer in memory that takes all writes.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.guest.kernels import GuestKernel, Lacking

#: what is needed before modprobe can be had from the host's root; some are built into some kernels
MODULES = ("virtio_pci", "virtiofs", "overlay")
APPLETS = ("sh", "mount", "mkdir", "insmod", "switch_root", "poweroff", "sed", "cat")

SCRIPT = """#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod $module; done
mount -t virtiofs -o ro host /lower && mount -t tmpfs -o size=50% tmpfs /upper && mkdir /upper/files /upper/work &&
    mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /root || poweroff -f
for place in proc sys dev; do mount -o move /$place /root/$place; done
mount -t tmpfs -o mode=755 tmpfs /root/run
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /root/sys/fs/cgroup
exec switch_root /root $(sed 's/.* guest=//; s/ .*//; s/,/ /g' /root/proc/cmdline)
"""


def initramfs(kernel: GuestKernel) -> bytes:
    """The whole archive, compressed. Lacking without a static busybox."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise Lacking("the guest starts from a static busybox: install the package busybox-static")
    files: dict[str, bytes] = {"init": SCRIPT.encode(), "bin/busybox": Path(busybox).read_bytes()}
    dependencies = read_dependencies((kernel.modules / "modules.dep").read_text())
    for number, path in enumerate(in_order(MODULES, dependencies)):
        content = (kernel.modules / path).read_bytes()
        files[f"modules/{number:02}.ko"] = lzma.decompress(content) if path.endswith(".xz") else content
    folders = ("bin", "modules", "proc", "sys", "dev", "lower", "upper", "root")
    return gzip.compress(archive(folders, files, {f"bin/{name}": "busybox" for name in APPLETS}), 1)


def read_dependencies(text: str) -> dict[str, tuple[str, list[str]]]:
    """modules.dep(5): module name → its path, and the paths of those that must be loaded before it."""
    found = {}
    for line in text.splitlines():
        path, _, needed = line.partition(":")
        found[path.rpartition("/")[2].partition(".")[0].replace("-", "_")] = (path, needed.split())
    return found


def in_order(wanted: Iterable[str], dependencies: Mapping[str, tuple[str, list[str]]]) -> list[str]:
    """Paths in the order of loading, each once; what has no line is built into the kernel. (The file lists what a
    module needs from the nearest to the farthest.)"""
    order: dict[str, None] = {}
    for name in wanted:
        if name in dependencies:
            path, needed = dependencies[name]
            order.update(dict.fromkeys([*reversed(needed), path]))
    return list(order)


def archive(folders: Iterable[str], files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    """A "newc" archive: folders, executable files, symbolic links."""
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in folders]
    entries += [(name, stat.S_IFREG | 0o755, content) for name, content in files.items()]
    entries += [(name, stat.S_IFLNK | 0o777, target.encode()) for name, target in links.items()]
    entries.append(("TRAILER!!!", 0, b""))
    return b"".join(_entry(number, *entry) for number, entry in enumerate(entries, 1))


def _entry(number: int, name: str, mode: int, content: bytes) -> bytes:
    """Magic and 13 numbers of eight hexadecimal digits, name, content; the last two filled up to four bytes."""
    path = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return _filled(head) + _filled(content)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
