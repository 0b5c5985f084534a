"""The `busybox` base image, made from the distribution's busybox-static package.

One static program, a link for each of its applets, and the few files that programs expect. Pure but for the reading
of the program: the same program gives the same tar.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from carrack.errors import NotSupported
from carrack.storage import tarwriter
from carrack.storage.tarheader import DIRECTORY, SYMLINK
from carrack.storage.tarwriter import Write

PACKAGE = "busybox-static"
PLACES = ("/bin/busybox", "/usr/bin/busybox")
ENVIRONMENT = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_PT_INTERP = 3
_DIRECTORIES = {
    "bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "lib": 0o755, "proc": 0o555, "root": 0o700,
    "run": 0o755, "sbin": 0o755, "sys": 0o555, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755,
    "var": 0o755, "var/spool": 0o755, "var/spool/mail": 0o755, "var/tmp": 0o1777, "var/www": 0o755,
}  # fmt: skip
_USERS = (
    ("root", 0, 0, "/root", "/bin/sh"),
    ("daemon", 1, 1, "/usr/sbin", "/bin/false"),
    ("bin", 2, 2, "/bin", "/bin/false"),
    ("mail", 8, 8, "/var/spool/mail", "/bin/false"),
    ("www-data", 33, 33, "/var/www", "/bin/false"),
    ("nobody", 65534, 65534, "/home", "/bin/false"),
)
_GROUPS = (
    ("root", 0), ("daemon", 1), ("bin", 2), ("sys", 3), ("adm", 4), ("tty", 5), ("disk", 6), ("wheel", 10),
    ("mail", 8), ("utmp", 43), ("video", 44), ("www-data", 33), ("users", 100), ("nogroup", 65534),
)  # fmt: skip


def is_static(program: bytes) -> bool:
    """Whether an ELF program (64 or 32 bits, little endian) needs no loader: it has no PT_INTERP segment."""
    if program[:4] != b"\x7fELF" or len(program) < 64 or program[5] != 1:
        return False
    wide = program[4] == 2
    start = struct.unpack_from("<Q" if wide else "<I", program, 32 if wide else 28)[0]
    size, count = struct.unpack_from("<HH", program, 54 if wide else 42)
    ends = start + size * count
    if ends > len(program):
        return False
    return all(struct.unpack_from("<I", program, start + size * n)[0] != _PT_INTERP for n in range(count))


def write(out: Write, program: bytes, applets: Sequence[str], mtime: int) -> None:
    """Write the root file system as a tar, its names in byte order. Raises NotSupported for a program with a loader."""
    if not is_static(program):
        raise NotSupported(f"the busybox found here is not a static program; apt-get install {PACKAGE}")
    entries: dict[str, tuple[bytes, bytes, int]] = {name: (b"", DIRECTORY, mode) for name, mode in _DIRECTORIES.items()}
    for applet in applets:
        if applet != "busybox" and "/" not in applet:
            entries[f"bin/{applet}"] = (b"busybox", SYMLINK, 0o777)
    for name, text in _files().items():
        entries[name] = (text.encode(), b"", 0o600 if name == "etc/shadow" else 0o644)
    entries["bin/busybox"] = (program, b"", 0o755)
    for name in sorted(entries, key=str.encode):
        data, kind, mode = entries[name]
        if kind == DIRECTORY:
            tarwriter.write_directory(out, name.encode() + b"/", mode=mode, mtime=mtime)
        elif kind == SYMLINK:
            out(tarwriter.header(name.encode(), SYMLINK, mode, mtime=mtime, link=data))
        else:
            tarwriter.write_bytes(out, name.encode(), data, mode=mode, mtime=mtime)
    tarwriter.finish(out)


def _files() -> dict[str, str]:
    return {
        "etc/passwd": "".join(f"{u}:x:{uid}:{gid}:{u}:{home}:{shell}\n" for u, uid, gid, home, shell in _USERS),
        "etc/shadow": "".join(f"{user[0]}:*:::::::\n" for user in _USERS),
        "etc/group": "".join(f"{name}:x:{gid}:\n" for name, gid in _GROUPS),
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }
