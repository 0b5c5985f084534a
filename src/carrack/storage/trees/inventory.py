"""The packages in a tree, for a software bill of materials: dpkg, apk, rpm, Python, npm, by their own databases.

Databases come from images and may be anything: what cannot be read counts as nothing.
Source: deb-control(5); Alpine wiki, "Apk spec"; PyPA specifications, "Recording installed projects"; package.json(5);
os-release(5).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carrack.oci.spdx import Package
from carrack.storage import rpmdb
from carrack.storage.tarheader import DIRECTORY, REGULAR, TarEntry
from carrack.storage.trees.base import follow

if TYPE_CHECKING:
    from carrack.storage.trees.base import Tree

_LIMIT, _SMALL, _MOST = 64 << 20, 1 << 20, 500_000
_RELEASES = (b"etc/os-release", b"usr/lib/os-release")
_STATUS, _PARTS = b"var/lib/dpkg/status", b"var/lib/dpkg/status.d"
_APK = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")
_RPM = tuple(
    posixpath.join(folder, name)
    for folder in (b"var/lib/rpm", b"usr/lib/sysimage/rpm", b"usr/share/rpm")
    for name in (b"rpmdb.sqlite", b"Packages", b"Packages.db")
)
_PYTHON = re.compile(rb"([^/]+?)-([^/-]+)(?:-[^/]*)?\.(?:dist|egg)-info", re.DOTALL)
#: folders without packages that have very many files
_BARREN = {
    b"proc", b"sys", b"dev", b"usr/share/doc", b"usr/share/man", b"usr/share/locale", b"usr/share/zoneinfo",
    b"usr/share/info", b"usr/share/terminfo", b"usr/share/icons", b"usr/share/i18n", b"var/lib/dpkg/info",
}  # fmt: skip


@dataclass(slots=True)
class Inventory:
    """What was found, and what was there and could not be read."""

    packages: list[Package] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def take(tree: Tree) -> Inventory:
    """Look through a tree. Blocks."""
    found = Inventory()
    distro = _distro(tree)
    for path in (_STATUS, *(posixpath.join(_PARTS, name) for name in tree.names(_PARTS))):
        if not path.endswith(b".md5sums"):
            found.packages += _dpkg(_read(tree, path), distro, _text(path))
    for path in _APK:
        found.packages += _apk(_read(tree, path), distro, _text(path))
    for path in _RPM:
        _rpm(tree, path, distro, found)
    for path in _folders(tree):
        name = path.rpartition(b"/")[2]
        if name == b"node_modules":
            found.packages += _npm(tree, path)
        elif name.endswith(b"-info") and (match := _PYTHON.fullmatch(name)):
            called = re.sub(r"[-_.]+", "-", _text(match[1])).lower()
            found.packages.append(Package("pypi", called, _text(match[2]), source=_text(path)))
    return found


def _folders(tree: Tree) -> Iterator[bytes]:
    """All folders (and files that are the metadata of a Python package), without the barren ones."""
    waiting, seen = [b""], 0
    while waiting and seen < _MOST:
        top = waiting.pop()
        for name in tree.names(top):
            seen += 1
            path = posixpath.join(top, name)
            entry = tree.find(path) if path not in _BARREN else None
            if entry is not None and (entry.kind == DIRECTORY or name.endswith(b".egg-info")):
                yield path
                if entry.kind == DIRECTORY:
                    waiting.append(path)


def _npm(tree: Tree, folder: bytes) -> Iterator[Package]:
    for name in tree.names(folder):
        scoped = [posixpath.join(name, each) for each in tree.names(posixpath.join(folder, name))]
        for each in scoped if name.startswith(b"@") else [name]:
            path = posixpath.join(folder, each, b"package.json")
            try:
                said = json.loads(_read(tree, path, _SMALL) or b"{}")
                called, version = str(said["name"]), str(said["version"])
            except (ValueError, RecursionError, KeyError, TypeError):
                continue
            scope, _, short = called.rpartition("/")
            yield Package("npm", short, version, scope, license=_word(said.get("license")), source=_text(path))


def _dpkg(data: bytes, distro: Mapping[str, str], source: str) -> Iterator[Package]:
    for paragraph in re.split(rb"\n\s*\n", data):
        fields = dict(line.partition(b":")[::2] for line in paragraph.splitlines() if line[:1].strip())
        values = {_text(key): _text(value) for key, value in fields.items()}
        if values.get("Package") and values.get("Status", "installed").split()[-1:] == ["installed"]:
            about = {"arch": values.get("Architecture", ""), "distro": _called(distro)}
            supplier = f"Person: {values['Maintainer']}" if values.get("Maintainer") else ""
            yield Package(
                "deb", values["Package"], values.get("Version", ""), distro.get("ID", "debian"), about,
                supplier=supplier, source=source,
            )  # fmt: skip


def _apk(data: bytes, distro: Mapping[str, str], source: str) -> Iterator[Package]:
    for paragraph in data.split(b"\n\n"):
        fields = dict(line.partition(b":")[::2] for line in paragraph.splitlines())
        if b"P" in fields:
            values = {_text(key): _text(value) for key, value in fields.items()}
            about = {"arch": values.get("A", ""), "distro": _called(distro)}
            yield Package(
                "apk", values["P"], values.get("V", ""), distro.get("ID", "alpine"), about,
                license=values.get("L", ""), source=source,
            )  # fmt: skip


def _rpm(tree: Tree, path: bytes, distro: Mapping[str, str], found: Inventory) -> None:
    data = _read(tree, path)
    if not data:
        return
    try:
        rows = rpmdb.packages(data)
    except rpmdb.Unreadable as error:
        found.unread.append(f"{_text(path)}: {error}")
        return
    for row in rows:
        about = {"arch": row.architecture, "epoch": row.epoch, "distro": _called(distro)}
        found.packages.append(
            Package(
                "rpm",
                row.name,
                f"{row.version}-{row.release}",
                distro.get("ID", ""),
                about,
                license=row.license,
                source=_text(path),
            )
        )


def _distro(tree: Tree) -> dict[str, str]:
    """What os-release says."""
    for path in _RELEASES:
        lines = _read(tree, path, _SMALL).decode("utf-8", "replace").splitlines()
        if lines:
            return {
                key.strip(): value.strip().strip("\"'") for key, _, value in (line.partition("=") for line in lines)
            }
    return {}


def _called(distro: Mapping[str, str]) -> str:
    return "-".join(filter(None, (distro.get("ID", ""), distro.get("VERSION_ID", ""))))


def _read(tree: Tree, path: bytes, limit: int = _LIMIT) -> bytes:
    """The whole of a file, through links inside the tree; nothing for what is none, or is too large."""
    try:
        entry: TarEntry | None = tree.find(follow(tree, path))
        if entry is None or entry.kind != REGULAR or entry.size > limit:
            return b""
        return b"".join(bytes(piece) for piece in tree.data(entry))
    except OSError:
        return b""


def _text(value: bytes) -> str:
    return value.strip().decode("utf-8", "backslashreplace")


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
