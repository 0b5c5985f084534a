"""The packages that an image's file tree holds, by the databases of the managers that put them there.

dpkg's status (deb-control(5)), apk's installed database (Alpine wiki, "Apk spec"), Python's `*.dist-info` and
`*.egg-info` names (PyPA specifications, "Recording installed projects"). Databases come from images and may
be anything: what cannot be read counts as nothing. rpm's is a binary one of its own and is only said to be there.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carrack.storage.merged import Merged, Seen

Packages = dict[tuple[str, str], str]
Read = Callable[["Seen"], bytes]

DPKG, APK, PYTHON, RPM = "dpkg", "apk", "python", "rpm"
_LIMIT = 64 << 20  # of a database
_STATUS = b"var/lib/dpkg/status"
_PARTS = b"var/lib/dpkg/status.d"  # how images without a package manager keep it, a file per package
_INSTALLED = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")
_RPM = (b"var/lib/rpm", b"usr/lib/sysimage/rpm", b"usr/share/rpm")
_PYTHON = re.compile(rb"([^/]+?)-([^/-]+)(?:-[^/]*)?\.(?:dist|egg)-info", re.DOTALL)


def packages(merged: Merged, read: Read) -> Packages:
    """The version of each package, by manager and name."""
    found: Packages = {}
    for seen in _databases(merged, _STATUS, _PARTS):
        found |= {(DPKG, name): version for name, version in _dpkg(read(seen))}
    for path in _INSTALLED:
        for seen in _databases(merged, path):
            found |= {(APK, name): version for name, version in _apk(read(seen))}
    for path, _ in merged.walk():
        if path.endswith(b"-info") and (match := _PYTHON.fullmatch(path.rpartition(b"/")[2])):
            found[PYTHON, re.sub(r"[-_.]+", "-", _text(match[1])).lower()] = _text(match[2])
    return found


def unread(merged: Merged) -> list[str]:
    """The managers whose databases are there and are not read."""
    return [RPM] if any((seen := merged.find(path)) and seen.children for path in _RPM) else []


def _databases(merged: Merged, path: bytes, folder: bytes = b"") -> Iterator[Seen]:
    found = [merged.find(path)]
    parts = merged.find(folder) if folder else None
    if parts is not None:
        found += [seen for name, seen in (parts.children or {}).items() if not name.endswith(b".md5sums")]
    for seen in found:
        if seen is not None and stat.S_ISREG(seen.node.mode) and seen.node.size <= _LIMIT:
            yield seen


def _dpkg(data: bytes) -> Iterator[tuple[str, str]]:
    """Installed packages of a status file; ``name:architecture`` where it is not the only one of that name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for paragraph in re.split(rb"\n\s*\n", data):
        fields = dict(line.partition(b":")[::2] for line in paragraph.splitlines() if line[:1].strip())
        name, status = _text(fields.get(b"Package", b"")), fields.get(b"Status", b" installed")
        if name and status.split()[-1:] == [b"installed"]:
            architecture, version = (_text(fields.get(key, b"")) for key in (b"Architecture", b"Version"))
            found.setdefault(name, []).append((architecture, version))
    for name, kept in found.items():
        for architecture, version in kept:
            yield (f"{name}:{architecture}" if len(kept) > 1 else name), version


def _apk(data: bytes) -> Iterator[tuple[str, str]]:
    for paragraph in data.split(b"\n\n"):
        fields = dict(line.partition(b":")[::2] for line in paragraph.splitlines())
        if b"P" in fields:
            yield _text(fields[b"P"]), _text(fields.get(b"V", b""))


def _text(value: bytes) -> str:
    return value.strip().decode("utf-8", "backslashreplace")
